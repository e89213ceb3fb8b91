// Tokens from the server that a registry names (distribution, spec/auth/token.md and oauth.md).

import * as v from "valibot";
import { BuildError } from "../../../core/errors.ts";
import type { Credentials } from "../../../core/session.ts";
import type { HttpClient, HttpRequest } from "../http/http.ts";
import { discard } from "../http/http.ts";
import { readWhole } from "../http/whole-answer.ts";

const Seconds = v.pipe(v.union([v.number(), v.pipe(v.string(), v.transform(Number))]), v.finite(), v.minValue(0));
const TokenSchema = v.looseObject({
  token: v.optional(v.string()),
  access_token: v.optional(v.string()),
  expires_in: v.fallback(v.optional(Seconds), undefined),
  refresh_token: v.optional(v.string()),
});
const TOKEN_BYTES = 1 << 20;
/** The specification's, for servers that do not say it. */
const DEFAULT_SECONDS = 60;

export interface TokenRequest {
  /** For messages. */
  readonly registry: string;
  readonly realm: URL;
  readonly service: string | undefined;
  /** Several with spaces between. */
  readonly scope: string;
  readonly credentials: Credentials | undefined;
  /** Also for an identity token, to be kept in place of the password. */
  readonly wantsIdentity?: boolean;
}

export interface Token {
  readonly text: string;
  /** How long it is good for, by its server. */
  readonly lifetimeMs: number;
  /** Replaces the identity token that was sent. */
  readonly identityToken?: string | undefined;
}

/** Asks for a token: with an identity token by POST, else by GET. Undefined when the credentials are refused. Throws `REGISTRY`. */
export async function fetchToken(
  http: HttpClient,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<Token | undefined> {
  const { registry, realm, credentials } = request;
  const { response, bytes } = await readWhole(() => http.send(httpRequest(request), signal), {
    maxBytes: TOKEN_BYTES,
    what: `the answer of "${realm.host}"`,
    retry: http.retry,
    signal,
  });
  const found = bytes === undefined ? undefined : read(bytes);
  if (bytes === undefined) discard(response);
  if (response.status === 401 || response.status === 403) return undefined;
  if (found !== undefined) return found;
  const isPostRefused = credentials?.identityToken !== undefined && [404, 405, 501].includes(response.status);
  throw new BuildError("REGISTRY", `"${realm.host}" gave no token for "${registry}" (HTTP ${response.status})`, {
    hint: isPostRefused ? `it takes no identity tokens: log in with name and password` : undefined,
  });
}

/** The header for a name and a password (RFC 7617). */
export function basicHeader({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Bytes at hand as a body. */
export async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function httpRequest({ realm, service, scope, credentials, wantsIdentity }: TokenRequest): HttpRequest {
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
    return { method: "POST", url: realm, headers, body: () => oneChunk(body) };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const one of scope.split(" ")) if (one !== "") url.searchParams.append("scope", one);
  if (credentials === undefined) return { method: "GET", url };
  url.searchParams.set("account", credentials.username);
  if (wantsIdentity === true) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", "tsbuild");
  }
  return { method: "GET", url, headers: { authorization: basicHeader(credentials) } };
}

function read(bytes: Uint8Array): Token | undefined {
  const result = v.safeParse(TokenSchema, parse(bytes));
  const text = result.success ? (result.output.token ?? result.output.access_token) : undefined;
  // What cannot stand in a header is no token.
  if (!result.success || text === undefined || !/^[\x21-\x7e]+$/.test(text)) return undefined;
  return {
    text,
    lifetimeMs: (result.output.expires_in ?? DEFAULT_SECONDS) * 1000,
    identityToken: result.output.refresh_token,
  };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}
