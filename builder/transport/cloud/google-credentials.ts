// Access tokens of Google's, by the way that the settings name: a service account's key, a person's login, an identity of
// somebody else's that Google knows (workload identity federation), or the machine's own account
// (google.aip.dev/auth/4110, "Application Default Credentials", and 4112, 4117).

import { createPrivateKey, sign } from "node:crypto";
import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import type { HttpClient, HttpRequest } from "../registry/http/http.ts";
import { formRequest, jsonAnswer, textAnswer } from "./answers.ts";
import { readToken } from "./aws-credentials.ts";

/** A way to tokens. */
export type GoogleWay =
  | { readonly kind: "service-account"; readonly email: string; readonly keyId: string; readonly key: string; readonly tokenUrl: string } // prettier-ignore
  | { readonly kind: "person"; readonly clientId: string; readonly clientSecret: string; readonly refreshToken: string; readonly tokenUrl: string } // prettier-ignore
  | GoogleFederation
  /** Asks the machine's metadata service. */
  | { readonly kind: "machine"; readonly host: string }
  /** Settings that cannot be used, and why. */
  | { readonly kind: "none"; readonly reason: string };

/** Somebody else's token for one of Google's. */
export interface GoogleFederation {
  readonly kind: "federated";
  readonly audience: string;
  readonly subjectTokenType: string;
  readonly tokenUrl: string;
  readonly source: SubjectSource;
  /** The service account to act as, if any: the URL that gives its tokens. */
  readonly impersonationUrl?: string;
}

/** Where the other's token is: a text, or one field of JSON. */
export type SubjectSource = ({ readonly file: string } | { readonly url: string; readonly headers: Readonly<Record<string, string>> }) & { readonly field?: string }; // prettier-ignore

export interface GoogleToken {
  readonly text: string;
  /** ms since the epoch. */
  readonly expiresMs: number;
}

export const STORAGE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only";
/** Registries take it (cloud.google.com/artifact-registry/docs/docker/authentication). */
export const PLATFORM_SCOPE = "https://www.googleapis.com/auth/cloud-platform";

const JWT_SECONDS = 3600;
const METADATA_MS = 5000;
const TokenSchema = v.object({ access_token: v.string(), expires_in: v.pipe(v.number(), v.finite()) });
const ImpersonatedSchema = v.object({ accessToken: v.string(), expireTime: v.string() });

/** A token as a way gives it now. Throws `CONFIG` where there is none, `REGISTRY` where it is refused. */
export async function fetchGoogleToken(
  way: GoogleWay,
  scope: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<GoogleToken> {
  switch (way.kind) {
    case "service-account": {
      const fields = {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: signedClaims(way, scope, Math.floor(Date.now() / 1000)),
      };
      return await exchange(formRequest(new URL(way.tokenUrl), fields), `"${way.email}"`, http, signal);
    }
    case "person": {
      const fields = {
        grant_type: "refresh_token",
        client_id: way.clientId,
        client_secret: way.clientSecret,
        refresh_token: way.refreshToken,
      };
      return await exchange(formRequest(new URL(way.tokenUrl), fields), "the login of gcloud", http, signal);
    }
    case "federated":
      return await federated(way, scope, http, signal);
    case "machine":
      return await askMachine(way.host, http, signal);
    case "none":
      throw new BuildError("CONFIG", way.reason);
  }
}

async function exchange(
  request: HttpRequest,
  who: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<GoogleToken> {
  const answer = await jsonAnswer(http, request, TokenSchema, `cannot log in to Google as ${who}`, signal);
  return { text: answer.access_token, expiresMs: Date.now() + answer.expires_in * 1000 };
}

/** A JWT with the account's signature (developers.google.com/identity/protocols/oauth2/service-account). */
function signedClaims(
  { email, keyId, key, tokenUrl }: Extract<GoogleWay, { readonly kind: "service-account" }>,
  scope: string,
  nowSeconds: number,
): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: email, scope, aud: tokenUrl, iat: nowSeconds, exp: nowSeconds + JWT_SECONDS };
  const text = `${part({ alg: "RS256", typ: "JWT", kid: keyId })}.${part(claims)}`;
  let signature: Buffer;
  try {
    signature = sign("RSA-SHA256", Buffer.from(text), createPrivateKey(key));
  } catch {
    // The reason may quote the key.
    throw new BuildError("CONFIG", `the private key of the service account "${email}" is none`);
  }
  return `${text}.${signature.toString("base64url")}`;
}

async function federated(
  way: GoogleFederation,
  scope: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<GoogleToken> {
  const request = formRequest(new URL(way.tokenUrl), {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
    audience: way.audience,
    scope: way.impersonationUrl === undefined ? scope : PLATFORM_SCOPE,
    subject_token_type: way.subjectTokenType,
    subject_token: await subjectToken(way.source, http, signal),
  });
  const own = await exchange(request, `"${way.audience}"`, http, signal);
  if (way.impersonationUrl === undefined) return own;
  const body = Buffer.from(JSON.stringify({ scope: [scope], lifetime: `${JWT_SECONDS}s` }));
  const asked: HttpRequest = {
    method: "POST",
    url: new URL(way.impersonationUrl),
    headers: {
      authorization: `Bearer ${own.text}`,
      "content-type": "application/json",
      "content-length": String(body.length),
    },
    body: async function* () {
      yield body;
    },
  };
  const what = "cannot act as the service account";
  const { accessToken, expireTime } = await jsonAnswer(http, asked, ImpersonatedSchema, what, signal);
  return { text: accessToken, expiresMs: Date.parse(expireTime) };
}

async function subjectToken(source: SubjectSource, http: HttpClient, signal: AbortSignal): Promise<string> {
  const text =
    "file" in source
      ? await readToken(source.file)
      : await textAnswer(
          http,
          { method: "GET", url: new URL(source.url), headers: source.headers },
          "cannot have the identity that Google is to trust",
          signal,
        );
  if (source.field === undefined) return text.trim();
  try {
    const value = (JSON.parse(text) as Record<string, unknown>)[source.field];
    if (typeof value === "string") return value;
  } catch {
    // Its text may be a token.
  }
  throw new BuildError("CONFIG", `the identity that Google is to trust has no field "${source.field}"`);
}

async function askMachine(host: string, http: HttpClient, signal: AbortSignal): Promise<GoogleToken> {
  const url = new URL(`http://${host}/computeMetadata/v1/instance/service-accounts/default/token`);
  const what = "there are no Google credentials here, and this machine has no account that gives any";
  try {
    const request = { method: "GET" as const, url, headers: { "metadata-flavor": "Google" }, once: true };
    const limit = AbortSignal.any([signal, AbortSignal.timeout(METADATA_MS)]);
    const answer = await jsonAnswer(http, request, TokenSchema, what, limit);
    return { text: answer.access_token, expiresMs: Date.now() + answer.expires_in * 1000 };
  } catch (cause) {
    signal.throwIfAborted();
    throw new BuildError("CONFIG", what, { cause, hint: "GOOGLE_APPLICATION_CREDENTIALS names a file with some" });
  }
}
