// Spans on their way to a collector, by OTLP over HTTP (opentelemetry.io, OTLP specification 1.x), as protobuf or JSON.

import { setTimeout as sleep } from "node:timers/promises";
import { VERSION } from "../../version.ts";
import type { Of } from "../../api/proto/message.ts";
import type { SpanMessage } from "../../api/proto/otlp.ts";
import { TraceRequest } from "../../api/proto/otlp.ts";
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
  readonly encoding: "json" | "protobuf";
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
    const { url, headers, timeoutMs, encoding } = this.#settings;
    const body = bodyOf(spans, this.#settings);
    const type = encoding === "json" ? "application/json" : "application/x-protobuf";
    let failure = "";
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      try {
        const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stop.signal]);
        const all = { ...headers, "content-type": type };
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

/** ExportTraceServiceRequest, in the form that is asked for. */
function bodyOf(spans: readonly Span[], { resource, encoding }: OtlpSettings): string | Uint8Array<ArrayBuffer> {
  const scopeSpans = [{ scope: { name: "tsbuild", version: VERSION }, spans: spans.map(spanMessage) }];
  const request = { resourceSpans: [{ resource: { attributes: attributesOf(resource) }, scopeSpans }] };
  return encoding === "protobuf" ? TraceRequest.encode(request) : JSON.stringify(request, inJson);
}

/** The JSON form: ids are hex, integers of 64 bits are texts, what is not there is left out. */
function inJson(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (key === "intValue" && typeof value === "number") return String(value);
  if (!key.endsWith("Id")) return value;
  const id = (this as Readonly<Record<string, Uint8Array>>)[key] ?? new Uint8Array(); // a Buffer has turned itself into an object
  return id.length === 0 ? undefined : Buffer.from(id).toString("hex");
}

const KINDS = { internal: 1, server: 2 } as const;
const FAILED = 2;
const SAMPLED = 1;

function spanMessage(span: Span): Of<typeof SpanMessage> {
  const { name, error } = span;
  return {
    traceId: Buffer.from(span.traceId, "hex"),
    spanId: Buffer.from(span.spanId, "hex"),
    parentSpanId: Buffer.from(span.parentId ?? "", "hex"),
    flags: SAMPLED,
    name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanoseconds(span.startMs),
    endTimeUnixNano: nanoseconds(span.endMs),
    attributes: attributesOf(span.attributes),
    status: error === undefined ? { code: 0, message: "" } : { code: FAILED, message: error },
  };
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1000)) * 1000n;
}

type KeyValues = Of<typeof SpanMessage>["attributes"];

function attributesOf(attributes: Attributes): KeyValues {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: { ...NO_VALUE, ...valueOf(value) } }));
}

type Value = NonNullable<KeyValues[number]["value"]>;
const NO_VALUE: Value = {
  stringValue: undefined,
  boolValue: undefined,
  intValue: undefined,
  doubleValue: undefined,
  arrayValue: undefined,
};

function valueOf(value: Attributes[string]): Partial<Value> {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return Number.isInteger(value) ? { intValue: value } : { doubleValue: value };
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}
