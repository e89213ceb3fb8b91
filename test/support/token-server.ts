// A small token server (distribution, spec/auth/token.md and oauth.md): it knows one account, signs what docker-registry
// believes, and tells what it was asked.

import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import type { Certificate } from "./certificates.ts";
import { endServer } from "./loopback.ts";

export interface TokenServerOptions {
  readonly signer: Certificate;
  readonly service: string;
  /** The one account; anybody may pull from repositories below `public/`. */
  readonly username: string;
  readonly password: string;
  /** Of that account; each use gives out a new one with the same effect. */
  readonly identityToken?: string;
  /** What the tokens say of their end; the registry believes them five minutes. */
  readonly expiresInSeconds?: number;
}

/** One request for a token. */
export interface TokenAsked {
  readonly method: string;
  readonly account: string | undefined;
  readonly scopes: readonly string[];
  readonly form?: Readonly<Record<string, string>>;
}

export interface TokenServer extends AsyncDisposable {
  readonly realm: string;
  readonly issuer: string;
  readonly asked: TokenAsked[];
}

const ISSUER = "tsbuild-test";

/** Starts one on a loopback port. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const asked: TokenAsked[] = [];
  const server = createServer((request, response) => {
    answer(request, response, options, asked).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    issuer: ISSUER,
    asked,
    async [Symbol.asyncDispose]() {
      await endServer(server);
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: TokenServerOptions,
  asked: TokenAsked[],
): Promise<void> {
  const url = new URL(request.url ?? "", "http://here");
  const form = request.method === "POST" ? Object.fromEntries(new URLSearchParams(await text(request))) : undefined;
  const scopes = form === undefined ? url.searchParams.getAll("scope") : (form["scope"] ?? "").split(" ");
  const account = accountOf(request, form, options);
  asked.push({
    method: request.method ?? "",
    account: account === false ? undefined : account,
    scopes,
    ...(form === undefined ? {} : { form }),
  });
  if (account === false) {
    response.writeHead(401, { "content-type": "application/json" }).end(`{"details":"incorrect username or password"}`);
    return;
  }
  const access = scopes.flatMap((scope) => accessFor(scope, account !== undefined));
  const token = makeToken(options, account ?? "", access);
  const more = { expires_in: options.expiresInSeconds ?? 300, issued_at: new Date().toISOString() };
  const body =
    form === undefined ? { token, ...more } : { access_token: token, ...more, refresh_token: options.identityToken };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Undefined is nobody, false somebody who is not who he says. */
function accountOf(
  request: IncomingMessage,
  form: Readonly<Record<string, string>> | undefined,
  { username, password, identityToken }: TokenServerOptions,
): string | undefined | false {
  if (form !== undefined)
    return form["refresh_token"] === identityToken && identityToken !== undefined ? username : false;
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  return authorization === `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` ? username : false;
}

interface Grant {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** The account may everything but in `locked/`; others only pull what is public. */
function accessFor(scope: string, isKnown: boolean): Grant[] {
  const [, type = "", name = "", actions = ""] = /^(\w+):(.+):([\w,*]+)$/.exec(scope) ?? [];
  if (type === "" || name.startsWith("locked/")) return [];
  if (isKnown) return [{ type, name, actions: actions.split(",") }];
  return name.startsWith("public/") ? [{ type, name, actions: ["pull"] }] : [];
}

/** A JSON web token, with the key's name as docker-registry computes it (libtrust). */
function makeToken({ signer, service }: TokenServerOptions, subject: string, access: readonly Grant[]): string {
  const now = Math.floor(Date.now() / 1000);
  const header = { typ: "JWT", alg: "ES256", kid: keyName(signer) };
  const claims = { iss: ISSUER, sub: subject, aud: service, exp: now + 300, nbf: now - 60, iat: now, jti: `${Math.random()}`, access }; // prettier-ignore
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const key = createPrivateKey(signer.key);
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
  return `${signed}.${signature}`;
}

function keyName({ certificate }: Certificate): string {
  const der = createPublicKey(certificate).export({ type: "spki", format: "der" });
  const digest = createHash("sha256").update(der).digest().subarray(0, 30);
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters = (bits.match(/.{5}/g) ?? []).map(
    (five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)],
  );
  return letters.join("").replace(/.{4}(?=.)/g, "$&:");
}
