// Google's services in memory: the token service of accounts and of federated identities, the impersonation of an account,
// a machine's metadata, and one bucket. Each wants what the real one wants, to the letter.

import { verify } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { listenOnLoopback } from "../loopback.ts";

export interface GoogleStandinOptions {
  readonly email: string;
  /** PEM. */
  readonly publicKey: string;
  /** What a federated identity shows. */
  readonly subjectToken: string;
  readonly audience: string;
  readonly refreshToken: string;
}

export interface GoogleStandin extends AsyncDisposable {
  readonly url: string;
  /** By "bucket/key". */
  readonly objects: Map<string, Buffer>;
  /** "jwt", "federated", "impersonated", "person", "machine", "object", in the order they came. */
  readonly asked: string[];
  /** Tokens that were given and may read. */
  readonly tokens: Set<string>;
}

/** Starts one on a loopback port. */
export async function startGoogleStandin(options: GoogleStandinOptions): Promise<GoogleStandin> {
  const state = { objects: new Map<string, Buffer>(), asked: [] as string[], tokens: new Set<string>() };
  const server = createServer((request, response) => {
    answer(request, response, options, state).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  const listening = await listenOnLoopback(server);
  return Object.assign(state, { url: listening.url, [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose]() });
}

type State = Pick<GoogleStandin, "objects" | "asked" | "tokens">;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: GoogleStandinOptions,
  state: State,
): Promise<void> {
  const { method = "GET", url: target = "/", headers } = request;
  const body = (await buffer(request)).toString();
  const { pathname, searchParams } = new URL(target, "http://x");
  const give = (kind: string, form: (token: string) => object): void => {
    state.asked.push(kind);
    const token = `${kind}-token-${state.tokens.size}`;
    state.tokens.add(token);
    response.setHeader("content-type", "application/json").end(JSON.stringify(form(token)));
  };
  const plain = (token: string): object => ({ access_token: token, expires_in: 3599, token_type: "Bearer" });
  const refuse = (status: number, why: string): void => void response.writeHead(status).end(JSON.stringify({ error: "invalid_grant", error_description: why })); // prettier-ignore
  const bearer = /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1];

  if (pathname === "/token" && method === "POST") {
    const form = new URLSearchParams(body);
    const kind = form.get("grant_type");
    if (kind === "urn:ietf:params:oauth:grant-type:jwt-bearer") {
      const why = jwtFault(form.get("assertion") ?? "", `http://${headers.host}/token`, options);
      return why === undefined ? give("jwt", plain) : refuse(400, why);
    }
    if (kind !== "refresh_token") return refuse(400, "unsupported_grant_type");
    const isHis =
      form.get("refresh_token") === options.refreshToken && form.has("client_id") && form.has("client_secret");
    return isHis ? give("person", plain) : refuse(400, "Bad Request");
  }
  if (pathname === "/v1/token" && method === "POST") {
    const form = new URLSearchParams(body);
    const isRight =
      form.get("grant_type") === "urn:ietf:params:oauth:grant-type:token-exchange" &&
      form.get("requested_token_type") === "urn:ietf:params:oauth:token-type:access_token" &&
      form.get("audience") === options.audience &&
      form.get("subject_token_type") === "urn:ietf:params:oauth:token-type:jwt" &&
      form.get("subject_token") === options.subjectToken;
    return isRight ? give("federated", plain) : refuse(400, "the subject token is not trusted");
  }
  if (pathname.endsWith(":generateAccessToken") && method === "POST") {
    const { scope } = JSON.parse(body) as { scope?: unknown };
    if (!bearer?.startsWith("federated") || !state.tokens.has(bearer) || !Array.isArray(scope))
      return refuse(403, "no");
    return give("impersonated", (accessToken) => ({
      accessToken,
      expireTime: new Date(Date.now() + 3600_000).toISOString(),
    }));
  }
  if (pathname === "/computeMetadata/v1/instance/service-accounts/default/token")
    return headers["metadata-flavor"] === "Google" ? give("machine", plain) : refuse(403, "Missing Metadata-Flavor");
  const [, bucket = "", key = ""] = /^\/storage\/v1\/b\/([^/]+)\/o\/([^/]+)$/.exec(pathname) ?? [];
  if (bucket === "" || searchParams.get("alt") !== "media") return refuse(404, "Not Found");
  if (bearer === undefined || !state.tokens.has(bearer)) return refuse(401, "Anonymous caller does not have storage.objects.get access"); // prettier-ignore
  state.asked.push("object");
  const bytes = state.objects.get(`${decodeURIComponent(bucket)}/${decodeURIComponent(key)}`);
  if (bytes === undefined) return refuse(404, "No such object");
  response.end(bytes);
}

function jwtFault(text: string, audience: string, { email, publicKey }: GoogleStandinOptions): string | undefined {
  const [head = "", claims = "", signature = ""] = text.split(".");
  const read = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>;
  if (!verify("RSA-SHA256", Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, "base64url")))
    return "Invalid JWT Signature.";
  const { iss, aud, iat, exp, scope } = read(claims);
  const now = Date.now() / 1000;
  if (read(head)["alg"] !== "RS256") return "Invalid JWT: alg";
  if (iss !== email || aud !== audience || typeof scope !== "string") return "Invalid JWT: iss, aud or scope";
  if (typeof iat !== "number" || typeof exp !== "number" || Math.abs(iat - now) > 60 || exp - iat > 3600)
    return "Invalid JWT: Token must be a short-lived token";
  return undefined;
}
