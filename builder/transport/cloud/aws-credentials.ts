// Credentials for AWS, by the way that the settings name: keys, a role for a token of this machine's identity, a role on
// top of other credentials, or the service that a container or an instance asks (docs.aws.amazon.com/sdkref, "Standardized
// credential providers").

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import type { HttpClient } from "../registry/http/http.ts";
import type { AwsCredentials } from "./aws-sign.ts";
import { signAws } from "./aws-sign.ts";
import { formRequest, jsonAnswer, textAnswer } from "./answers.ts";
import { elementText } from "./xml.ts";

/** A way to credentials. */
export type AwsWay =
  | { readonly kind: "keys"; readonly credentials: AwsCredentials }
  /** The role that the token in a file may have (AssumeRoleWithWebIdentity). */
  | (AwsRole & { readonly kind: "web-identity"; readonly tokenFile: string })
  /** A role on top of other credentials (AssumeRole). */
  | (AwsRole & { readonly kind: "role"; readonly from: AwsWay; readonly externalId?: string })
  /** What ECS and EKS tell a container to ask. */
  | { readonly kind: "container"; readonly url: string; readonly token?: string; readonly tokenFile?: string }
  /** An EC2 instance's own (IMDSv2). */
  | { readonly kind: "instance"; readonly endpoint: string }
  /** There is none, and why. */
  | { readonly kind: "none"; readonly reason: string; readonly hint?: string };

export interface AwsRole {
  readonly roleArn: string;
  readonly sessionName: string;
  readonly region: string;
  /** Of the token service; absent: the region's. */
  readonly stsEndpoint?: string;
}

/** Before they end by so much, new ones are fetched. */
const EARLY_MS = 5 * 60_000;

const XML = "application/xml";
const ServiceSchema = v.object({
  AccessKeyId: v.string(),
  SecretAccessKey: v.string(),
  Token: v.optional(v.string()),
  Expiration: v.optional(v.string()),
});
/** Credentials that are asked for once and again before they end. */
export class AwsLogin {
  readonly #way: AwsWay;
  readonly #http: HttpClient;
  #current: Promise<AwsCredentials> | undefined;

  constructor(way: AwsWay, http: HttpClient) {
    this.#way = way;
    this.#http = http;
  }

  /** Those that hold now. Throws `CONFIG` where there are none, `REGISTRY` where they are refused. */
  async credentials(signal: AbortSignal): Promise<AwsCredentials> {
    const known = await this.#current;
    if (known !== undefined && (known.expiresMs ?? Number.POSITIVE_INFINITY) > Date.now() + EARLY_MS) return known;
    const next = fetchCredentials(this.#way, this.#http, signal);
    this.#current = next;
    next.catch(() => (this.#current = undefined));
    return await next;
  }
}

/** Credentials as a way gives them now. Throws `CONFIG`, `REGISTRY`. */
export async function fetchCredentials(way: AwsWay, http: HttpClient, signal: AbortSignal): Promise<AwsCredentials> {
  switch (way.kind) {
    case "keys":
      return way.credentials;
    case "web-identity":
      return await assumeByToken(way, http, signal);
    case "role":
      return await assumeRole(way, http, signal);
    case "container":
      return await askContainer(way, http, signal);
    case "instance":
      return await askInstance(way.endpoint, http, signal);
    case "none":
      throw new BuildError("CONFIG", way.reason, { hint: way.hint });
  }
}

async function assumeByToken(
  { tokenFile, ...role }: Extract<AwsWay, { readonly kind: "web-identity" }>,
  http: HttpClient,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const fields = {
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName,
    WebIdentityToken: await readToken(tokenFile),
  };
  const what = `cannot take the role "${role.roleArn}"`;
  return credentialsIn(await textAnswer(http, formRequest(stsUrl(role), fields, XML), what, signal), what);
}

async function assumeRole(
  { from, externalId, ...role }: Extract<AwsWay, { readonly kind: "role" }>,
  http: HttpClient,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const fields = {
    Action: "AssumeRole",
    Version: "2011-06-15",
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName,
    ...(externalId === undefined ? {} : { ExternalId: externalId }),
  };
  const request = formRequest(stsUrl(role), fields, XML);
  const sha256 = createHash("sha256").update(new URLSearchParams(fields).toString()).digest("hex");
  const credentials = await fetchCredentials(from, http, signal);
  const signed = await signAws(request, credentials, { service: "sts", region: role.region }, sha256);
  const what = `cannot take the role "${role.roleArn}"`;
  return credentialsIn(await textAnswer(http, signed, what, signal), what);
}

function stsUrl({ region, stsEndpoint }: AwsRole): URL {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  return new URL(stsEndpoint ?? `https://sts.${region}.${domain}/`);
}

function credentialsIn(xml: string, what: string): AwsCredentials {
  const accessKeyId = elementText(xml, "AccessKeyId");
  const secretAccessKey = elementText(xml, "SecretAccessKey");
  const sessionToken = elementText(xml, "SessionToken");
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw new BuildError("REGISTRY", `${what}: the answer has no credentials`);
  const expiresMs = Date.parse(elementText(xml, "Expiration") ?? "");
  return { accessKeyId, secretAccessKey, sessionToken, ...endOf(expiresMs) };
}

async function askContainer(
  { url, token, tokenFile }: Extract<AwsWay, { readonly kind: "container" }>,
  http: HttpClient,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const authorization = tokenFile === undefined ? token : await readToken(tokenFile);
  return await askService(http, url, authorization === undefined ? {} : { authorization }, signal);
}

/** A token for the session first, then the role's name, then its credentials. */
async function askInstance(endpoint: string, http: HttpClient, signal: AbortSignal): Promise<AwsCredentials> {
  const root = endpoint.replace(/\/+$/, "");
  const what = "there are no AWS credentials here, and this machine's instance metadata service gives none";
  const token = await textAnswer(
    http,
    {
      method: "PUT",
      url: new URL(`${root}/latest/api/token`),
      headers: { "x-aws-ec2-metadata-token-ttl-seconds": "21600", "content-length": "0" },
      once: true,
    },
    what,
    AbortSignal.any([signal, AbortSignal.timeout(5000)]),
  ).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new BuildError("CONFIG", what, { cause, hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" });
  });
  const headers = { "x-aws-ec2-metadata-token": token };
  const folder = `${root}/latest/meta-data/iam/security-credentials/`;
  const names = await textAnswer(http, { method: "GET", url: new URL(folder), headers }, what, signal);
  const [role = ""] = names.trim().split("\n");
  return await askService(http, folder + encodeURIComponent(role), headers, signal);
}

async function askService(
  http: HttpClient,
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const request = { method: "GET" as const, url: new URL(url), headers };
  const given = await jsonAnswer(http, request, ServiceSchema, "cannot have AWS credentials", signal);
  return {
    accessKeyId: given.AccessKeyId,
    secretAccessKey: given.SecretAccessKey,
    ...(given.Token === undefined ? {} : { sessionToken: given.Token }),
    ...endOf(Date.parse(given.Expiration ?? "")),
  };
}

function endOf(expiresMs: number): { readonly expiresMs?: number } {
  return Number.isNaN(expiresMs) ? {} : { expiresMs };
}

/** A token that a file holds; such files change while a build runs. Throws `CONFIG`. */
export async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new BuildError("CONFIG", `cannot read the identity token in "${path}"`, { cause });
  }
}
