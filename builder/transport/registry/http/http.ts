// HTTP towards registries: redirects that take nothing secret along, and requests tried again where the failure may
// pass.

import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, isSystemError } from "../../../core/errors.ts";
import { giveBack } from "../../../core/bytes/lent-chunks.ts";
import type { ConnectionOptions } from "./connections.ts";
import { Connections } from "./connections.ts";
import type { RetryPolicy } from "./retry.ts";
import { isPassing, pauseMs, RETRY, retryAfterMs } from "./retry.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  /** Of these, what is secret or may be (see `COMMON`) does not follow a redirect to another origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Opened anew for each attempt; its length stands in `content-length`. */
  readonly body?: () => AsyncIterable<Uint8Array>;
  /** One attempt only: the caller knows better when to try again. */
  readonly once?: boolean;
}

/** An answer; its body must be read to the end or destroyed. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: http.IncomingMessage;
  /** Where it came from, after redirects. */
  readonly url: URL;
}

export interface HttpOptions extends ConnectionOptions {
  /** Whether a redirect may lead from https to this URL, which is plain http. */
  readonly allowsPlain: (url: URL) => boolean;
  readonly retry?: RetryPolicy | undefined;
  /** How long a connection may be silent. */
  readonly idleMs?: number | undefined;
}

const IDLE_MS = 60_000;
const MAX_REDIRECTS = 10;
const SHORT_BYTES = 64 << 10;
/** Headers that say nothing about who asks. */
const COMMON = /^(?:accept(?:-encoding)?|range|if-[a-z-]+|content-(?:type|length|range)|user-agent)$/;

/** No answer came. */
export class ConnectionError extends BuildError {
  /** Whether another attempt may do better. */
  readonly mayPass: boolean;

  constructor(url: URL, error: unknown) {
    const { why, hint } = reasonOf(url, error);
    super("REGISTRY", `cannot reach "${url.host}": ${why}`, { cause: error, hint });
    this.mayPass = isBroken(error);
  }
}

/** Sends requests; closing it ends its connections. */
export class HttpClient {
  readonly retry: RetryPolicy;
  readonly #options: HttpOptions;
  readonly #connections: Connections;

  constructor(options: HttpOptions) {
    this.retry = options.retry ?? RETRY;
    this.#options = options;
    this.#connections = new Connections(options);
  }

  /**
   * One request, redirects followed, tried again after failures that may pass. Throws `ConnectionError` when no answer
   * came, `REGISTRY` for redirects that are not followed.
   */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    for (let attempt = 0; ; attempt++) {
      const isLast = request.once === true || attempt >= this.retry.retries;
      let pause: number | undefined;
      try {
        const response = await this.#follow(request, signal);
        if (isLast || !isPassing(response.status)) return response;
        pause = pauseMs(this.retry, attempt, retryAfterMs(response.headers));
        if (pause === undefined) return response;
        discard(response);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof BuildError) throw error;
        if (isUnknownAuthority(error) && this.#connections.trustSystem()) pause = 0;
        else if (isLast || !isBroken(error)) throw new ConnectionError(request.url, error);
        else pause = pauseMs(this.retry, attempt, undefined);
      }
      await pauseFor(pause ?? 0, signal);
    }
  }

  close(): void {
    this.#connections.close();
  }

  async #follow(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    let { url } = request;
    let headers = request.headers ?? {};
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await this.#once({ ...request, url, headers }, signal);
      const { location } = response.headers;
      if (location === undefined || !isFollowed(request.method, response.status)) return response;
      discard(response);
      const next = this.#redirected(url, location);
      if (next.origin !== url.origin)
        headers = Object.fromEntries(Object.entries(headers).filter(([name]) => COMMON.test(name.toLowerCase())));
      url = next;
    }
    const { origin, pathname } = request.url;
    throw new BuildError("REGISTRY", `"${origin}${pathname}" redirects more than ${MAX_REDIRECTS} times`);
  }

  #redirected(from: URL, location: string): URL {
    if (!URL.canParse(location, from.href))
      throw new BuildError("REGISTRY", `"${from.host}" redirects to what is no URL`);
    const to = new URL(location, from);
    if (to.protocol !== "http:" && to.protocol !== "https:")
      throw new BuildError("REGISTRY", `"${from.host}" redirects to "${to.protocol}"`);
    if (from.protocol === "https:" && to.protocol === "http:" && !this.#options.allowsPlain(to))
      throw new BuildError("REGISTRY", `"${from.host}" redirects from https to plain http ("${to.host}")`);
    return to;
  }

  async #once(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    signal.throwIfAborted();
    const { url, method } = request;
    const send = url.protocol === "https:" ? https.request : http.request;
    const headers = { "user-agent": "tsbuild", ...request.headers };
    const outgoing = send(url, { method, agent: this.#connections.agentFor(url), signal, headers });
    const idleMs = this.#options.idleMs ?? IDLE_MS;
    outgoing.setTimeout(idleMs, () => outgoing.destroy(new SilenceError(idleMs)));
    const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
      outgoing.on("response", resolve);
      outgoing.on("error", reject);
    });
    answered.catch(() => undefined); // awaited below; writing the body may fail first
    const isWhole = await writeBody(outgoing, request.body, answered);
    const body = await answered;
    // A connection on which half a request was sent cannot carry another one.
    if (!isWhole) body.once("close", () => outgoing.destroy());
    return { status: body.statusCode ?? 0, headers: body.headers, body, url };
  }
}

/** Lets go of an answer whose body says nothing: a short one is read, so that its connection can be used again. */
export function discard({ body, headers }: HttpResponse): void {
  body.on("error", () => undefined);
  if (Number(headers["content-length"] ?? (body.readableEnded ? 0 : Number.POSITIVE_INFINITY)) <= SHORT_BYTES)
    body.resume();
  else body.destroy();
}

/** Whether an error is a connection's end in the middle, or one that did not come about, and may not happen again. */
export function isBroken(error: unknown): boolean {
  if (!isSystemError(error)) return error instanceof Error && error.message === "aborted";
  return BREAKS.has(error.code);
}

const BREAKS = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "ENETDOWN",
  "ENETUNREACH",
  "EHOSTDOWN",
  "EHOSTUNREACH",
]);

/** Nothing came for too long. */
class SilenceError extends Error {
  readonly code = "ETIMEDOUT";

  constructor(idleMs: number) {
    super(`it has not answered for ${idleMs / 1000} s`);
  }
}

// With another method than these, 301 to 303 turn the request into a GET (RFC 9110, 15.4), which is never what is meant here.
function isFollowed(method: HttpRequest["method"], status: number): boolean {
  if (status === 307 || status === 308) return true;
  return (status === 301 || status === 302 || status === 303) && (method === "GET" || method === "HEAD");
}

// A server that has enough of a body answers before its end: the answer counts. False when something was left unsent.
async function writeBody(
  outgoing: http.ClientRequest,
  body: HttpRequest["body"],
  answered: Promise<unknown>,
): Promise<boolean> {
  if (body !== undefined) {
    let early = false;
    const settled = answered.then(
      () => void (early = true),
      () => void (early = true),
    );
    try {
      for await (const chunk of body()) {
        if (early) return false;
        const isTaken = outgoing.write(chunk, (error) => {
          if (error === null || error === undefined) giveBack(chunk);
        });
        if (!isTaken) await Promise.race([new Promise((resolve) => outgoing.once("drain", resolve)), settled]);
      }
    } catch (error) {
      outgoing.destroy();
      throw error;
    }
  }
  outgoing.end();
  return true;
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Whether a certificate comes from an authority that we do not know, or not yet. */
function isUnknownAuthority(error: unknown): boolean {
  return /^(?:UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF)|SELF_SIGNED_CERT_IN_CHAIN)/.test(codeOf(error));
}

function reasonOf(url: URL, error: unknown): { readonly why: string; readonly hint?: string | undefined } {
  const code = codeOf(error);
  // Node's own advice is about Node's flags.
  const message =
    error instanceof Error ? opensslReason(error.message.replace(/; if the root CA.*/, "")) || code : String(error);
  if (code === "ENOTFOUND") return { why: "there is no such host", hint: "is the name right?" };
  if (code === "ECONNREFUSED") return { why: "connection refused", hint: "does a registry run there, on this port?" };
  if (code.startsWith("HPE_")) return { why: "it does not speak HTTP" };
  if (message === "wrong version number") {
    return {
      why: "it does not speak TLS",
      hint: `if it is to be asked by plain HTTP: --insecure-registry ${url.host}`,
    };
  }
  if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE/i.test(code)) {
    return {
      why: message,
      hint: `does "${url.host}" want a client certificate? docker looks for one in /etc/docker/certs.d/${url.host}`,
    };
  }
  const isUntrusted = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|SSL/i.test(`${code}${message}`);
  const place = isUnknownAuthority(error) ? `its authority goes to /etc/docker/certs.d/${url.host}/ca.crt; ` : "";
  return {
    why: message,
    hint: isUntrusted
      ? `${place}if "${url.host}" is to be used without a trusted certificate, name it as an insecure registry`
      : undefined,
  };
}

/** OpenSSL's errors are lines for its developers: of "…:error:0A00010B:SSL routines:function:wrong version number:file:107:" the reason. */
function opensslReason(message: string): string {
  return /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(message)?.[1] ?? message;
}
