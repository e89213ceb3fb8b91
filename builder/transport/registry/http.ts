// HTTP towards registries: connections that are kept, redirects that take no credentials
// along, and requests tried again where the failure may pass.

import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, isSystemError } from "../../core/errors.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
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

export interface HttpOptions {
  /** Whether a host's certificate goes unchecked. */
  readonly isInsecure: (host: string) => boolean;
  /** Whether a redirect may lead from https to plain http: for files that anybody may have. */
  readonly allowsDowngrade?: boolean;
  /** For the proxies it names (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). */
  readonly environment?: ReadonlyMap<string, string> | undefined;
  /** Pauses before further attempts. */
  readonly retryDelaysMs?: readonly number[] | undefined;
}

const IDLE_MS = 60_000;
const MAX_REDIRECTS = 10;
const MAX_RETRY_AFTER_MS = 30_000;

/** Sends requests; closing it ends its connections. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #agents = new Map<string, http.Agent | https.Agent>();

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** One request, redirects followed, tried again after failures that may pass. Throws `REGISTRY` when no answer came. */
  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const delays = request.once === true ? [] : (this.#options.retryDelaysMs ?? [500, 1500, 4000]);
    for (let attempt = 0; ; attempt++) {
      const delay = delays[attempt];
      try {
        const response = await this.#follow(request, signal);
        if (delay === undefined || !isPassing(response.status)) return response;
        response.body.destroy();
        await sleep(Math.max(delay, retryAfterMs(response.headers)), undefined, { signal });
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof BuildError) throw error;
        if (delay === undefined || !mayPass(error)) throw unreachable(request.url, error);
        await sleep(delay, undefined, { signal });
      }
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  async #follow(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    let { url } = request;
    let headers = { ...request.headers };
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await this.#once({ ...request, url, headers }, signal);
      const location = response.headers.location;
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && location !== undefined;
      if (!isRedirect || (request.method !== "GET" && request.method !== "HEAD")) return response;
      response.body.destroy();
      const next = new URL(location, url);
      this.#checkRedirect(url, next);
      if (next.origin !== url.origin) {
        const { authorization: _secret, ...others } = headers;
        headers = others;
      }
      url = next;
    }
    throw new BuildError(
      "REGISTRY",
      `"${request.url.origin}${request.url.pathname}" redirects more than ${MAX_REDIRECTS} times`,
    );
  }

  #checkRedirect(from: URL, to: URL): void {
    if (to.protocol !== "http:" && to.protocol !== "https:")
      throw new BuildError("REGISTRY", `"${from.host}" redirects to "${to.protocol}"`);
    const isDowngrade = from.protocol === "https:" && to.protocol === "http:";
    if (isDowngrade && this.#options.allowsDowngrade !== true && !this.#options.isInsecure(to.host)) {
      throw new BuildError("REGISTRY", `"${from.host}" redirects from https to plain http ("${to.host}")`);
    }
  }

  async #once(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    signal.throwIfAborted();
    const { url, method } = request;
    const secure = url.protocol === "https:";
    const send = secure ? https.request : http.request;
    const outgoing = send(url, {
      method,
      agent: this.#agent(secure, url.host),
      signal,
      headers: { "user-agent": "tsbuild", ...request.headers },
    });
    outgoing.setTimeout(IDLE_MS, () =>
      outgoing.destroy(new BuildError("REGISTRY", `"${url.host}" has not answered for ${IDLE_MS / 1000} s`)),
    );
    const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
      outgoing.on("response", resolve);
      outgoing.on("error", reject);
    });
    answered.catch(() => undefined); // awaited below; writing the body may fail first
    await writeBody(outgoing, request.body, answered);
    const body = await answered;
    return { status: body.statusCode ?? 0, headers: body.headers, body, url };
  }

  #agent(secure: boolean, host: string): http.Agent {
    const unchecked = secure && this.#options.isInsecure(host);
    const local = isLoopback(host);
    const key = `${secure} ${unchecked} ${local}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    // highWaterMark reaches the sockets, though the agent's type does not list it.
    const options = { keepAlive: true, maxSockets: 6, highWaterMark: 1 << 20, ...(local ? {} : this.#proxies()) };
    const agent = secure ? new https.Agent({ ...options, rejectUnauthorized: !unchecked }) : new http.Agent(options);
    this.#agents.set(key, agent);
    return agent;
  }

  #proxies(): { readonly proxyEnv?: Record<string, string> } {
    const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
    const given = names.flatMap((name): [string, string][] => {
      const value = this.#options.environment?.get(name);
      return value === undefined || value === "" ? [] : [[name, value]];
    });
    return given.length === 0 ? {} : { proxyEnv: Object.fromEntries(given) };
  }
}

/** Whether a host ("127.0.0.1:5000") is this machine; such a one is never reached through a proxy. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|[\w.-]+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);
}

/** Whether a status may be another one soon. */
function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}

/** Whether a connection's failure may pass. */
function mayPass(error: unknown): boolean {
  if (!isSystemError(error)) return false;
  return ["ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH"].includes(
    error.code,
  );
}

// A server that has enough of a body answers before its end and closes: the answer counts.
async function writeBody(
  outgoing: http.ClientRequest,
  body: HttpRequest["body"],
  answered: Promise<unknown>,
): Promise<void> {
  if (body !== undefined) {
    let early = false;
    const settled = answered.then(
      () => void (early = true),
      () => void (early = true),
    );
    try {
      for await (const chunk of body()) {
        if (early) break;
        if (!outgoing.write(chunk))
          await Promise.race([new Promise((resolve) => outgoing.once("drain", resolve)), settled]);
      }
    } catch (error) {
      outgoing.destroy();
      throw error;
    }
  }
  outgoing.end();
}

function retryAfterMs(headers: http.IncomingHttpHeaders): number {
  const seconds = Number(headers["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : 0;
}

function unreachable(url: URL, error: unknown): BuildError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message || code : String(error);
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code);
  const hint =
    isCertificate || /SSL|wrong version/i.test(`${code}${message}`)
      ? `if "${url.host}" is to be used without a trusted certificate, name it as an insecure registry`
      : undefined;
  const why = code === "ENOTFOUND" ? "there is no such host" : code === "ECONNREFUSED" ? "connection refused" : message;
  return new BuildError("REGISTRY", `cannot reach "${url.host}": ${why}`, { cause: error, hint });
}
