// One repository at one place, as the distribution specification has it: requests below /v2/<repository>/, each of
// them authorised.

import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Credentials } from "../../core/session.ts";
import { RegistryAuth } from "./auth/auth.ts";
import { openEndpoint } from "./http/endpoint-http.ts";
import type { RegistryEndpoint, RegistryRouter } from "./endpoints.ts";
import { apiOf } from "./endpoints.ts";
import { refusalOf, refusedLogin, saying } from "./http/failure.ts";
import type { HttpClient, HttpRequest, HttpResponse } from "./http/http.ts";
import { discard } from "./http/http.ts";
import { findOrigin } from "./http/origin.ts";
import type { RetryPolicy } from "./http/retry.ts";
import { RETRY } from "./http/retry.ts";

/** Logins anew for one request, as long as each of them was good for another one. */
const MOST_RENEWALS = 5;

/** How to reach registries. */
export interface RegistryOptions {
  readonly router: RegistryRouter;
  readonly credentials: (registry: string, repository: string) => Promise<Credentials | undefined>;
  /** For the proxies it names. */
  readonly environment?: ReadonlyMap<string, string> | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** How long a connection may be silent; a minute if not said. */
  readonly idleMs?: number | undefined;
}

/** What is done to a repository: decides the scope of a token. */
export type Access = "pull" | "pull,push" | "pull,delete";

export interface SendOptions extends Pick<HttpRequest, "headers" | "body" | "once"> {
  /** Another repository of the same registry, which is read at the same time. */
  readonly alsoReads?: string | undefined;
}

/** Speaks to one repository at one place. Closing it ends its connections. */
export class RegistryClient {
  readonly endpoint: RegistryEndpoint;
  readonly retry: RetryPolicy;
  readonly #http: HttpClient;
  readonly #auth: RegistryAuth;
  readonly #headers: Readonly<Record<string, string>>;
  #origin: Promise<string> | undefined;
  /** The header that was taken last. */
  #accepted: string | undefined;

  constructor(endpoint: RegistryEndpoint, options: RegistryOptions) {
    this.endpoint = endpoint;
    const policy = options.retry ?? RETRY;
    // A mirror that does not answer is not waited for as long: there is somebody else to ask.
    this.retry = endpoint.isMirror ? { ...policy, retries: Math.min(policy.retries, 1) } : policy;
    const { environment, idleMs } = options;
    const { http, allowsPlain, headers } = openEndpoint(endpoint, { environment, retry: this.retry, idleMs });
    this.#http = http;
    this.#headers = headers;
    const { registry, repository } = endpoint;
    const credentials = (): Promise<Credentials | undefined> => options.credentials(registry, repository);
    this.#auth = new RegistryAuth({ registry, http, credentials, allowsPlain });
  }

  /** "docker.io/library/busybox": what registry and repository are called at this place. */
  get name(): string {
    return `${this.endpoint.registry}/${this.endpoint.repository}`;
  }

  /** "manifest sha256:… of docker.io/library/busybox", for messages. */
  describe(what: string): string {
    return `${what} of ${this.name}`;
  }

  /**
   * Sends a request below /v2/<repository>/, or to a URL that the registry gave, authorised. Throws `REGISTRY` when
   * there is no answer, or a 401 that nothing answers.
   */
  async send(
    method: HttpRequest["method"],
    target: string | URL,
    access: Access,
    signal: AbortSignal,
    { alsoReads, ...more }: SendOptions = {},
  ): Promise<HttpResponse> {
    const base = new URL(await this.#reach(signal));
    const { repository, namespace } = this.endpoint;
    const root = `${base.href.replace(/\/+$/, "")}${apiOf(this.endpoint)}/${repository}`;
    const url = typeof target === "string" ? new URL(`${root}/${target}`) : sameProtocol(target, base);
    if (namespace !== undefined && typeof target === "string") url.searchParams.set("ns", namespace);
    // An upload may continue on another host, which gets none of our credentials.
    const isOwn = url.origin === base.origin;
    const other = alsoReads === undefined ? "" : ` repository:${alsoReads}:pull`;
    const scope = `repository:${repository}:${access}${other}`;
    for (let attempt = 0; ; attempt++) {
      const authorization = isOwn ? await this.#auth.headerFor(scope, signal) : undefined;
      const headers = {
        ...(isOwn ? this.#headers : {}),
        ...more.headers,
        ...(authorization === undefined ? {} : { authorization }),
      };
      const response = await this.#http.send({ method, url, ...more, headers }, signal);
      if (response.status !== 401 || !isOwn) {
        if (authorization !== undefined) this.#accepted = authorization;
        return response;
      }
      // What was good a moment ago has run out, perhaps while others used it: that is no refusal.
      const hasRunOut = authorization !== undefined && authorization === this.#accepted;
      if (attempt > 0 && (!hasRunOut || attempt >= MOST_RENEWALS)) return response;
      const challenge = response.headers["www-authenticate"];
      if (authorization === undefined) discard(response);
      const said = authorization === undefined ? undefined : await refusedLogin(response);
      await this.#auth.answer(challenge, scope, authorization, base, signal).catch((error: unknown) => {
        throw said === undefined || !(error instanceof BuildError) ? error : saying(error, said);
      });
    }
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
    if (response.status !== 401) return await refusalOf(response, this.describe(what));
    const said = await refusedLogin(response);
    const refused = await this.#auth.refused();
    const { message, hint } = said === undefined ? refused : saying(refused, said);
    return new BuildError("REGISTRY", `${this.describe(what)}: ${message}`, { hint });
  }

  close(): void {
    this.#http.close();
  }

  #reach(signal: AbortSignal): Promise<string> {
    this.#origin ??= findOrigin(this.endpoint, this.#http, signal).catch((error: unknown) => {
      this.#origin = undefined;
      throw error;
    });
    return this.#origin;
  }
}

/** A digest or tag as the last part of a path. */
export function manifestPath(name: string | Digest): string {
  return `manifests/${name}`;
}

// A registry behind a server that ends TLS for it may not know that it is reached by https.
function sameProtocol(url: URL, base: URL): URL {
  if (url.host !== base.host || base.protocol !== "https:") return url;
  const same = new URL(url);
  same.protocol = base.protocol;
  return same;
}
