// The services that tell a machine who it is: AWS's token service, a container's and an instance's; Microsoft's platform
// and a machine's identity. Each wants what the real one wants.

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { listenOnLoopback } from "../loopback.ts";
import { signatureFault } from "./aws-signature.ts";

export interface IdentityStandin extends AsyncDisposable {
  readonly url: string;
  /** What was asked for, in order: "AssumeRole", "container", … */
  readonly asked: string[];
}

export interface IdentityStandinOptions {
  /** Whose signature AssumeRole takes. */
  readonly aws?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The token of this machine, for both clouds. */
  readonly token: string;
  /** Of the application at Microsoft's. */
  readonly secret: string;
  /** How long what is given is good for. */
  readonly lifetimeMs: number;
}

/** Starts one on a loopback port. */
export async function startIdentityStandin(options: IdentityStandinOptions): Promise<IdentityStandin> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    answer(request, response, options, asked).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  const listening = await listenOnLoopback(server);
  return { url: listening.url, asked, [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose]() };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: IdentityStandinOptions,
  asked: string[],
): Promise<void> {
  const { method = "GET", url: target = "/", headers } = request;
  const body = await buffer(request);
  const form = new URLSearchParams(body.toString());
  const { pathname, searchParams } = new URL(target, "http://x");
  const end = new Date(Date.now() + options.lifetimeMs).toISOString();
  const refuse = (why: string): void => void response.writeHead(403).end(`<Error><Code>${why}</Code></Error>`);
  const give = (value: unknown): void => void response.end(JSON.stringify(value));
  if (pathname === "/sts/") {
    const action = form.get("Action") ?? "";
    asked.push(action);
    const signed = { method, target, headers, body };
    const isHis =
      action === "AssumeRoleWithWebIdentity"
        ? form.get("WebIdentityToken") === options.token
        : options.aws !== undefined &&
          signatureFault(signed, { ...options.aws, service: "sts", region: "eu-north-1", nowMs: Date.now() }) ===
            undefined;
    if (!isHis || form.get("Version") !== "2011-06-15" || !form.get("RoleArn") || !form.get("RoleSessionName"))
      return refuse("AccessDenied");
    response.end(
      `<R xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Credentials><AccessKeyId>of-${action}</AccessKeyId><SecretAccessKey>a&amp;b</SecretAccessKey><SessionToken>${form.get("RoleArn") ?? ""}</SessionToken><Expiration>${end}</Expiration></Credentials></R>`,
    );
    return;
  }
  const credentials = { AccessKeyId: "of-service", SecretAccessKey: "s", Token: "t", Expiration: end };
  if (pathname === "/container") {
    asked.push("container");
    return headers.authorization === options.token ? give(credentials) : refuse("Unauthorized");
  }
  if (pathname.startsWith("/latest/")) {
    asked.push(`instance ${pathname}`);
    if (pathname === "/latest/api/token" && method === "PUT")
      return headers["x-aws-ec2-metadata-token-ttl-seconds"] === undefined
        ? refuse("no ttl")
        : void response.end("imds");
    if (headers["x-aws-ec2-metadata-token"] !== "imds") return refuse("no token");
    if (pathname.endsWith("/security-credentials/")) return void response.end("the role\n");
    return pathname.endsWith("/security-credentials/the%20role") ? give(credentials) : refuse("no role");
  }
  if (pathname === "/tenant/oauth2/v2.0/token") {
    asked.push("platform");
    const isHis = form.get("client_secret") === options.secret || form.get("client_assertion") === options.token;
    if (!isHis || form.get("grant_type") !== "client_credentials" || form.get("client_id") !== "app")
      return void response.writeHead(401).end('{"error":"invalid_client","error_description":"AADSTS7000215: no"}');
    return give({
      token_type: "Bearer",
      access_token: `for ${form.get("scope") ?? ""}`,
      expires_in: options.lifetimeMs / 1000,
    });
  }
  if (pathname === "/metadata/identity/oauth2/token") {
    asked.push("machine");
    if (headers["metadata"] !== "true" || !searchParams.has("api-version")) return refuse("no");
    return give({
      access_token: `for ${searchParams.get("resource") ?? ""}`,
      expires_in: String(options.lifetimeMs / 1000),
    });
  }
  response.writeHead(404).end();
}
