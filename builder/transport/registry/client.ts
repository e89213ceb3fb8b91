// One repository of a registry, as the distribution specification has it: manifests and
// blobs by name and digest, each request authorised and its failure explained.

import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Reference } from "../../core/reference.ts";
import type { Credentials } from "../../core/session.ts";
import { RegistryAuth } from "./auth.ts";
import type { HttpRequest, HttpResponse } from "./http.ts";
import { HttpClient, isLoopback } from "./http.ts";

/** How to reach registries. */
export interface RegistryOptions {
  /** Hosts ("registry.example:5000") reached by plain HTTP or without certificate check. */
  readonly insecure: readonly string[];
  readonly credentials: (registry: string) => Promise<Credentials | undefined>;
  /** For the proxies it names. */
  readonly environment?: ReadonlyMap<string, string> | undefined;
  /** Pauses between attempts; for tests. */
  readonly retryDelaysMs?: readonly number[] | undefined;
}

/** What the client does to a path: decides the scope of a token. */
export type Access = "pull" | "pull,push";

const ERROR_BYTES = 16 << 10;

/** Speaks to one repository. Closing it ends its connections. */
export class RegistryClient {
  readonly registry: string;
  readonly repository: string;
  readonly #http: HttpClient;
  readonly #auth: RegistryAuth;
  readonly #candidates: readonly string[];
  #origin: Promise<URL> | undefined;

  constructor(reference: Pick<Reference, "registry" | "repository">, options: RegistryOptions) {
    this.registry = reference.registry;
    this.repository = reference.repository;
    const isInsecure = (host: string): boolean => isLoopback(host) || options.insecure.includes(host);
    this.#http = new HttpClient({ isInsecure, environment: options.environment, retryDelaysMs: options.retryDelaysMs });
    const host = reference.registry === "docker.io" ? "registry-1.docker.io" : reference.registry;
    // Docker's rule: a registry on this machine is plain http; a named insecure one may be either.
    this.#candidates = isLoopback(host)
      ? [`http://${host}`, `https://${host}`]
      : options.insecure.includes(host)
        ? [`https://${host}`, `http://${host}`]
        : [`https://${host}`];
    this.#auth = new RegistryAuth({
      registry: this.registry,
      http: this.#http,
      credentials: () => options.credentials(this.registry),
      isPlainAllowed: isInsecure,
    });
  }

  /** "manifest sha256:… of docker.io/library/busybox", for messages. */
  describe(what: string): string {
    return `${what} of ${this.registry}/${this.repository}`;
  }

  /** Sends a request below /v2/<repository>/ (or to an absolute URL that the registry gave), authorised. */
  async send(
    method: HttpRequest["method"],
    target: string | URL,
    access: Access,
    signal: AbortSignal,
    more: Pick<HttpRequest, "headers" | "body" | "once"> = {},
  ): Promise<HttpResponse> {
    const origin = await this.#reach(signal);
    const url = typeof target === "string" ? new URL(`/v2/${this.repository}/${target}`, origin) : target;
    const scope = `repository:${this.repository}:${access}`;
    const attempt = async (): Promise<HttpResponse> => {
      // An upload may continue on another host, which gets none of our credentials.
      const authorization = url.origin === origin.origin ? this.#auth.headerFor(scope) : undefined;
      const headers = { ...more.headers, ...(authorization === undefined ? {} : { authorization }) };
      return await this.#http.send({ method, url, ...more, headers }, signal);
    };
    const response = await attempt();
    if (response.status !== 401 || url.origin !== origin.origin) return response;
    response.body.destroy();
    await this.#auth.answer(response.headers["www-authenticate"], scope, origin, signal);
    return await attempt();
  }

  /** Where a relative or absolute Location of an answer leads. */
  locationOf(response: HttpResponse, what: string): URL {
    const { location } = response.headers;
    if (location === undefined || !URL.canParse(location, response.url.href))
      throw new BuildError("REGISTRY", `${this.describe(what)}: the registry names no place to upload to`);
    return new URL(location, response.url);
  }

  /** The error for an answer that is none of those expected; reads (a part of) its body. */
  async failure(response: HttpResponse, what: string): Promise<BuildError> {
    if (response.status === 401) {
      response.body.destroy();
      const refused = await this.#auth.refused();
      return new BuildError("REGISTRY", `${this.describe(what)}: ${refused.message}`, { hint: refused.hint });
    }
    const text = await startOf(response);
    const isPage = /^\s*</.test(text) || (response.headers["content-type"] ?? "").includes("text/html");
    const said = isPage ? "it answered with a web page: is it a registry?" : (saidIn(text) ?? "it said nothing more");
    return new BuildError(
      "REGISTRY",
      `${this.describe(what)}: "${response.url.host}" answered HTTP ${response.status}: ${said}`,
    );
  }

  close(): void {
    this.#http.close();
  }

  #reach(signal: AbortSignal): Promise<URL> {
    this.#origin ??= this.#find(signal).catch((error: unknown) => {
      this.#origin = undefined;
      throw error;
    });
    return this.#origin;
  }

  // With one candidate there is nothing to find out: the first real request will tell.
  async #find(signal: AbortSignal): Promise<URL> {
    const [first = "", second] = this.#candidates;
    if (second === undefined) return new URL(first);
    try {
      const response = await this.#http.send({ method: "GET", url: new URL("/v2/", first), once: true }, signal);
      const text = response.status === 400 ? await startOf(response) : "";
      response.body.destroy();
      return new URL(/HTTP request to an HTTPS server/i.test(text) ? second : first);
    } catch (error) {
      if (signal.aborted) throw error;
      if (!first.startsWith("https:")) return new URL(first); // nothing there at all: say so with retries
      return new URL(second);
    }
  }
}

/** A digest or tag as the last part of a path. */
export function manifestPath(name: string | Digest): string {
  return `manifests/${name}`;
}

async function startOf(response: HttpResponse): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      parts.push(chunk);
      size += chunk.length;
      if (size >= ERROR_BYTES) break; // ends the stream
    }
  } catch {
    // What came is enough for a message.
  }
  return Buffer.concat(parts).toString("utf8");
}

// {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}
function saidIn(text: string): string | undefined {
  try {
    const { errors } = JSON.parse(text) as { errors?: readonly { code?: unknown; message?: unknown }[] };
    const said = (errors ?? []).map(({ code, message }) =>
      [code, message].filter((part) => typeof part === "string" && part !== "").join(": "),
    );
    if (said.length > 0) return said.join("; ").slice(0, 500);
  } catch {
    // Not the specification's form.
  }
  const line = text
    .replace(/[\x00-\x1f\x7f]+/g, " ")
    .trim()
    .slice(0, 200);
  return line === "" ? undefined : `"${line}"`;
}
