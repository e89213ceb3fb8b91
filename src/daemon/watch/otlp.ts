// Spans on their way to a collector, by OTLP over HTTP in its JSON form (opentelemetry.io, OTLP specification 1.x:
// ids are hex, 64-bit integers are texts).

import { setTimeout as sleep } from "node:timers/promises";
import { VERSION } from "../../version.ts";
import type { Log } from "../log.ts";

export type Attributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Something that took time. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly kind: "server" | "internal";
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** What went wrong, if something did. */
  readonly error: string | undefined;
}

/** Where spans go. */
export interface OtlpSettings {
  /** Of traces, with its path. */
  readonly url: string;
  /** Sent with each request; may hold a login: never told. */
  readonly headers: Readonly<Record<string, string>>;
  /** What is known of this daemon: `service.name` and what else somebody set. */
  readonly resource: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

const MOST_SPANS_A_REQUEST = 512;
/** What waits for a collector that does not answer; more is dropped, and said. */
const MOST_WAITING = 10_000;
const RETRY_STATUS = new Set([429, 502, 503, 504]);
const MOST_ATTEMPTS = 3;
const PAUSE_MS = 1000;

/** Sends spans one batch after the other; builds never wait for it, and never fail because of it. */
export class OtlpExporter {
  readonly #settings: OtlpSettings;
  readonly #log: Log;
  #waiting: Span[] = [];
  #sending: Promise<void> | undefined;
  #hasFailed = false;
  readonly #stop = new AbortController();

  constructor(settings: OtlpSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
  }

  add(spans: readonly Span[]): void {
    const room = MOST_WAITING - this.#waiting.length;
    if (spans.length > room)
      this.#log("warn", "spans were dropped: the collector is too slow", { spans: spans.length - Math.max(room, 0) });
    this.#waiting.push(...spans.slice(0, Math.max(room, 0)));
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  /** Waits until all were sent, at most so long; then gives up. */
  async end(timeoutMs: number): Promise<void> {
    const waited = new AbortController();
    const late = sleep(timeoutMs, undefined, { signal: waited.signal }).catch(() => undefined);
    await Promise.race([this.#sending ?? Promise.resolve(), late]);
    waited.abort();
    this.#stop.abort();
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#stop.signal.aborted) {
      const batch = this.#waiting.splice(0, MOST_SPANS_A_REQUEST);
      const failure = await this.#send(batch);
      // Said when it begins and when it is over, not for each batch.
      if (failure !== undefined && !this.#hasFailed)
        this.#log("warn", "spans cannot be sent", { url: this.#settings.url, error: failure });
      if (failure === undefined && this.#hasFailed) this.#log("info", "spans are sent again");
      this.#hasFailed = failure !== undefined;
    }
  }

  /** Why it failed; undefined when it did not. */
  async #send(spans: readonly Span[]): Promise<string | undefined> {
    const { url, headers, resource, timeoutMs } = this.#settings;
    const body = JSON.stringify(traceRequest(spans, resource));
    let failure = "";
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      try {
        const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal]);
        const all = { ...headers, "content-type": "application/json" };
        const response = await fetch(url, { method: "POST", headers: all, body, signal, redirect: "error" });
        await response.body?.cancel();
        if (response.ok) return undefined;
        failure = `HTTP ${response.status}`;
        if (!RETRY_STATUS.has(response.status)) return failure;
      } catch (error) {
        failure = reasonOf(error);
      }
      if (attempt < MOST_ATTEMPTS)
        await sleep(PAUSE_MS * attempt, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted) break;
    }
    return failure;
  }
}

/** fetch says "fetch failed"; why stands in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
}

/** ExportTraceServiceRequest. */
function traceRequest(spans: readonly Span[], resource: Readonly<Record<string, string>>): object {
  const scopeSpans = [{ scope: { name: "tsbuild", version: VERSION }, spans: spans.map(spanMessage) }];
  return { resourceSpans: [{ resource: { attributes: attributesOf(resource) }, scopeSpans }] };
}

const KINDS = { internal: 1, server: 2 } as const;
const FAILED = 2;
const SAMPLED = 1;

function spanMessage({ traceId, spanId, parentId, kind, name, startMs, endMs, attributes, error }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    flags: SAMPLED,
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: attributesOf(attributes),
    status: error === undefined ? {} : { code: FAILED, message: error },
  };
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

function attributesOf(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: Attributes[string]): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}
