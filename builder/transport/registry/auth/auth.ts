// Who we are to a registry: nobody, a name and password (Basic), or a token that some
// server gives out. Nothing here is ever printed.

import { BuildError } from "../../../core/errors.ts";
import type { Credentials } from "../../../core/session.ts";
import type { Challenge } from "./challenge.ts";
import { mergeScopes, parseChallenges } from "./challenge.ts";
import type { HttpClient } from "../http/http.ts";
import { basicHeader, fetchToken } from "./token.ts";

export interface AuthOptions {
  /** "docker.io", "127.0.0.1:5000". */
  readonly registry: string;
  readonly http: HttpClient;
  readonly credentials: () => Promise<Credentials | undefined>;
  /** Whether a password or token may go to a place by plain HTTP. */
  readonly allowsPlain: (url: URL) => boolean;
  /** Asks for identity tokens, and is told of one that comes. */
  readonly onIdentityToken?: ((token: string) => void) | undefined;
}

interface Known {
  readonly header: string;
  /** By `performance.now()`: from then on a new one is fetched first. */
  readonly staleAtMs: number;
}

interface TokenServer {
  readonly realm: URL;
  readonly service: string | undefined;
}

/** The longest time before its end that a token is not used any more: a request takes a while to arrive. */
const MARGIN_MS = 10_000;

/** The authorization of one registry, for the scopes that were asked. Several requests at a time share what is fetched. */
export class RegistryAuth {
  readonly #options: AuthOptions;
  /** By scope; a password has the scope "". */
  readonly #known = new Map<string, Known>();
  readonly #running = new Map<string, Promise<string>>();
  #server: TokenServer | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;
  /** Whether the credentials were good for a token. */
  #isAccepted = false;

  constructor(options: AuthOptions) {
    this.#options = options;
  }

  /**
   * The header for a scope ("repository:app:pull"); undefined as long as the registry has not asked for one. A token
   * near its end is replaced first. Throws `REGISTRY`.
   */
  async headerFor(scope: string, signal: AbortSignal): Promise<string | undefined> {
    const known = this.#known.get("") ?? this.#known.get(scope);
    if (known !== undefined && performance.now() < known.staleAtMs) return known.header;
    return this.#server === undefined ? undefined : await this.#renew(this.#server, scope, "", signal);
  }

  /**
   * Answers a 401 for a request that bore `used`; afterwards `headerFor` has something else. Throws `REGISTRY` when
   * there is nothing to answer with.
   */
  async answer(
    header: string | undefined,
    scope: string,
    used: string | undefined,
    origin: URL,
    signal: AbortSignal,
  ): Promise<void> {
    const challenges = parseChallenges(header ?? "");
    const credentials = await this.#ask();
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (credentials?.registryToken !== undefined) {
      this.#set("", `Bearer ${credentials.registryToken}`, used, credentials, origin);
    } else if (bearer !== undefined) {
      // Another request may have been quicker.
      const known = this.#known.get(scope);
      if (known !== undefined && known.header !== used && performance.now() < known.staleAtMs) return;
      this.#server = this.#serverOf(bearer);
      await this.#renew(this.#server, scope, bearer.parameters.get("scope") ?? "", signal);
    } else {
      if (credentials === undefined || !challenges.some(({ scheme }) => scheme === "basic"))
        throw this.#refused(credentials);
      this.#set("", basicHeader(credentials), used, credentials, origin);
    }
  }

  /** The error for a 401 that remains. */
  async refused(): Promise<BuildError> {
    return this.#refused(await this.#ask());
  }

  #set(scope: string, header: string, used: string | undefined, credentials: Credentials, origin: URL): void {
    if (header === used) throw this.#refused(credentials);
    this.#checkPlain(origin);
    this.#known.set(scope, { header, staleAtMs: Number.POSITIVE_INFINITY });
  }

  /** Fetches a token for a scope, with what the registry asks for beyond it. */
  async #renew(server: TokenServer, scope: string, challenged: string, signal: AbortSignal): Promise<string> {
    const running = this.#running.get(scope);
    try {
      if (running !== undefined) return await running;
    } catch (error) {
      // Whoever began it may have been told to stop.
      if (error instanceof BuildError || signal.aborted) throw error;
    }
    const renewing = this.#fetch(server, scope, challenged, signal).finally(() => this.#running.delete(scope));
    this.#running.set(scope, renewing);
    return await renewing;
  }

  async #fetch({ realm, service }: TokenServer, scope: string, challenged: string, signal: AbortSignal) {
    const { registry, http, onIdentityToken } = this.#options;
    const credentials = await this.#ask();
    if (credentials !== undefined) this.#checkPlain(realm);
    const wantsIdentity = onIdentityToken !== undefined;
    const asked = { registry, realm, service, scope: mergeScopes(scope, challenged), credentials, wantsIdentity };
    const token = await fetchToken(http, asked, signal);
    if (token === undefined) throw this.#refused(credentials);
    this.#isAccepted = true;
    if (token.identityToken !== undefined) onIdentityToken?.(token.identityToken);
    if (credentials?.identityToken !== undefined && token.identityToken !== undefined)
      this.#credentials = Promise.resolve({ ...credentials, identityToken: token.identityToken });
    const { lifetimeMs } = token;
    const header = `Bearer ${token.text}`;
    const staleAtMs = performance.now() + lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 4);
    this.#known.set(scope, { header, staleAtMs });
    return header;
  }

  #serverOf({ parameters }: Challenge): TokenServer {
    const realm = parameters.get("realm") ?? "";
    if (!URL.canParse(realm) || !/^https?:$/.test(new URL(realm).protocol))
      throw new BuildError("REGISTRY", `"${this.#options.registry}" names no server that gives tokens`);
    return { realm: new URL(realm), service: parameters.get("service") };
  }

  #refused(credentials: Credentials | undefined): BuildError {
    const { registry } = this.#options;
    const hint = `tsbuild login ${registry}`;
    if (credentials === undefined) {
      // Registries that anybody may read from say the same of what they do not have.
      const known = this.#isAccepted ? `is the name right? If it is private: ${hint}` : hint;
      const message = `"${registry}" wants a login, and there are no credentials for it`;
      return new BuildError("REGISTRY", message, { hint: known });
    }
    const { username, identityToken, registryToken } = credentials;
    const isToken = identityToken !== undefined || registryToken !== undefined;
    const who = isToken || username === "" ? "the token that is kept for it" : `the credentials of "${username}"`;
    if (this.#isAccepted) {
      return new BuildError("REGISTRY", `"${registry}" knows ${who}, but grants no right to this`, {
        hint: "does the repository exist, under this name, and may this account use it?",
      });
    }
    return new BuildError("REGISTRY", `"${registry}" refuses ${who}`, { hint: `if it is out of date: ${hint}` });
  }

  #ask(): Promise<Credentials | undefined> {
    return (this.#credentials ??= this.#options.credentials());
  }

  #checkPlain(url: URL): void {
    if (url.protocol === "https:" || this.#options.allowsPlain(url)) return;
    throw new BuildError(
      "REGISTRY",
      `the credentials for "${this.#options.registry}" are not sent to "${url.host}" by plain http`,
    );
  }
}
