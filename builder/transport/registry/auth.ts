// Who we are to a registry: nobody, a name and password (Basic), or a token that some
// server gives out (distribution, spec/auth/token.md). Nothing here is ever printed.

import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import type { Credentials } from "../../core/session.ts";
import { collect } from "../source.ts";
import type { HttpClient } from "./http.ts";

const TokenSchema = v.looseObject({ token: v.exactOptional(v.string()), access_token: v.exactOptional(v.string()) });
const TOKEN_BYTES = 1 << 20;

export interface AuthOptions {
  /** "docker.io", "127.0.0.1:5000". */
  readonly registry: string;
  readonly http: HttpClient;
  readonly credentials: () => Promise<Credentials | undefined>;
  /** Whether a password may go to a host by plain HTTP. */
  readonly isPlainAllowed: (host: string) => boolean;
}

/** One challenge of a WWW-Authenticate header. */
export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: ReadonlyMap<string, string>;
}

/** The authorization of one registry, for the scopes that were asked. */
export class RegistryAuth {
  readonly #options: AuthOptions;
  readonly #known = new Map<string, string>();
  #credentials: Promise<Credentials | undefined> | undefined;

  constructor(options: AuthOptions) {
    this.#options = options;
  }

  /** The header for a scope ("repository:app:pull"), if one is known. */
  headerFor(scope: string): string | undefined {
    return this.#known.get(scope);
  }

  /** Answers a 401. Throws `REGISTRY` when there is nothing to answer with. */
  async answer(header: string | undefined, scope: string, origin: URL, signal: AbortSignal): Promise<void> {
    const challenges = parseChallenges(header ?? "");
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) {
      this.#known.set(scope, `Bearer ${await this.#token(bearer, scope, signal)}`);
      return;
    }
    const credentials = await this.#ask();
    if (!challenges.some(({ scheme }) => scheme === "basic") || credentials === undefined)
      throw this.#refused(credentials);
    this.#checkPlain(origin);
    this.#known.set(scope, basicHeader(credentials));
  }

  /** The error for a 401 or 403 that remains. */
  async refused(): Promise<BuildError> {
    return this.#refused(await this.#ask());
  }

  #refused(credentials: Credentials | undefined): BuildError {
    const { registry } = this.#options;
    if (credentials === undefined) {
      return new BuildError("REGISTRY", `"${registry}" wants a login, and there are no credentials for it`, {
        hint: `docker login ${registry}`,
      });
    }
    return new BuildError("REGISTRY", `"${registry}" refuses the credentials of "${credentials.username}"`, {
      hint: `docker login ${registry}`,
    });
  }

  async #token(challenge: Challenge, scope: string, signal: AbortSignal): Promise<string> {
    const realm = challenge.parameters.get("realm");
    if (realm === undefined || !URL.canParse(realm))
      throw new BuildError("REGISTRY", `"${this.#options.registry}" names no server that gives tokens`);
    const url = new URL(realm);
    const service = challenge.parameters.get("service");
    const credentials = await this.#ask();
    if (credentials !== undefined) this.#checkPlain(url);
    const response = await this.#options.http.send(tokenRequest(url, service, scope, credentials), signal);
    const bytes = await collect(response.body, TOKEN_BYTES, `the answer of "${url.host}"`);
    if (response.status === 401 || response.status === 403) throw this.#refused(credentials);
    const found = parseToken(bytes);
    if (response.status !== 200 || found === undefined) {
      throw new BuildError(
        "REGISTRY",
        `"${url.host}" gave no token for "${this.#options.registry}" (HTTP ${response.status})`,
      );
    }
    return found;
  }

  #ask(): Promise<Credentials | undefined> {
    return (this.#credentials ??= this.#options.credentials());
  }

  #checkPlain(url: URL): void {
    if (url.protocol === "https:" || this.#options.isPlainAllowed(url.host)) return;
    throw new BuildError(
      "REGISTRY",
      `the credentials for "${this.#options.registry}" are not sent to "${url.host}" by plain http`,
    );
  }
}

/** The challenges of a WWW-Authenticate header that we can answer (RFC 9110, 11.6.1). */
export function parseChallenges(header: string): readonly Challenge[] {
  const starts = [...header.matchAll(/(?:^|,)\s*(basic|bearer)(?=\s|,|$)/gi)];
  return starts.map((start, place) => {
    const text = header.slice(start.index + start[0].length, starts[place + 1]?.index);
    const pairs = text.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g);
    const parameters = new Map(
      [...pairs].map(([, name = "", quoted, bare]) => [
        name.toLowerCase(),
        quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "",
      ]),
    );
    return { scheme: start[1]?.toLowerCase() === "basic" ? "basic" : "bearer", parameters };
  });
}

function tokenRequest(
  url: URL,
  service: string | undefined,
  scope: string,
  credentials: Credentials | undefined,
): Parameters<HttpClient["send"]>[0] {
  if (credentials?.identityToken !== undefined) {
    const form = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: credentials.identityToken,
      client_id: "tsbuild",
      scope,
    });
    if (service !== undefined) form.set("service", service);
    const body = Buffer.from(form.toString());
    const headers = { "content-type": "application/x-www-form-urlencoded", "content-length": String(body.length) };
    return { method: "POST", url, headers, body: () => oneChunk(body) };
  }
  const asked = new URL(url);
  if (service !== undefined) asked.searchParams.set("service", service);
  for (const one of scope.split(" ")) asked.searchParams.append("scope", one);
  if (credentials === undefined) return { method: "GET", url: asked };
  asked.searchParams.set("account", credentials.username);
  return { method: "GET", url: asked, headers: { authorization: basicHeader(credentials) } };
}

/** Bytes at hand as a body. */
export async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function basicHeader({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function parseToken(bytes: Uint8Array): string | undefined {
  try {
    const result = v.safeParse(TokenSchema, JSON.parse(Buffer.from(bytes).toString()));
    return result.success ? (result.output.token ?? result.output.access_token) : undefined;
  } catch {
    return undefined;
  }
}
