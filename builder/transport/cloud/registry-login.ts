// Logins to the registries of clouds, for who this process is to the cloud: their documented exchanges.

import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import type { Credentials } from "../../core/session.ts";
import type { HttpClient, HttpRequest } from "../registry/http/http.ts";
import { formRequest, jsonAnswer } from "./answers.ts";
import { createHash } from "node:crypto";
import type { AwsWay } from "./aws-credentials.ts";
import { fetchCredentials } from "./aws-credentials.ts";
import { signAws } from "./aws-sign.ts";
import type { AzureWay } from "./azure-credentials.ts";
import { fetchAzureToken } from "./azure-credentials.ts";
import type { GoogleWay } from "./google-credentials.ts";
import { fetchGoogleToken, PLATFORM_SCOPE } from "./google-credentials.ts";

/** How one registry is logged in to. */
export type RegistryWay =
  /** GetAuthorizationToken of ECR, or of the public one. */
  | { readonly kind: "ecr"; readonly service: "ecr" | "ecr-public"; readonly region: string; readonly endpoint: string; readonly aws: AwsWay } // prettier-ignore
  | { readonly kind: "google"; readonly google: GoogleWay }
  /** `origin`: of the registry. */
  | { readonly kind: "acr"; readonly origin: string; readonly service: string; readonly tenantId?: string; readonly azure: AzureWay } // prettier-ignore
  /** Something that the environment holds. */
  | { readonly kind: "known"; readonly credentials: Credentials };

export interface RegistryLogin {
  readonly credentials: Credentials;
  /** ms since the epoch. */
  readonly expiresMs: number;
}

/** docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html, and that of ECR Public. */
const TARGETS = {
  ecr: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
  "ecr-public": "SpencerFrontendService.GetAuthorizationToken",
} as const;
/** learn.microsoft.com/azure/container-registry/container-registry-authentication. */
const ACR_RESOURCE = "https://containerregistry.azure.net";
const ACR_USER = "00000000-0000-0000-0000-000000000000";
/** The least that a refresh token of ACR's holds is three hours. */
const ACR_MS = 3 * 3600_000;

const Authorization = v.object({ authorizationToken: v.string(), expiresAt: v.optional(v.number()) });
const EcrSchema = v.object({
  authorizationData: v.union([Authorization, v.tupleWithRest([Authorization], v.unknown())]),
});
const AcrSchema = v.object({ refresh_token: v.string() });

/** Logs in. Throws `CONFIG` where this process is nobody there, `REGISTRY` where it is refused. */
export async function fetchRegistryLogin(
  way: RegistryWay,
  http: HttpClient,
  signal: AbortSignal,
): Promise<RegistryLogin> {
  switch (way.kind) {
    case "ecr":
      return await loginToEcr(way, http, signal);
    case "google": {
      const { text, expiresMs } = await fetchGoogleToken(way.google, PLATFORM_SCOPE, http, signal);
      return { credentials: { username: "oauth2accesstoken", password: text }, expiresMs };
    }
    case "acr": {
      const token = await fetchAzureToken(way.azure, ACR_RESOURCE, http, signal);
      const fields = {
        grant_type: "access_token",
        service: way.service,
        ...(way.tenantId === undefined ? {} : { tenant: way.tenantId }),
        access_token: token.text,
      };
      const request = formRequest(new URL("/oauth2/exchange", way.origin), fields);
      const what = `cannot log in to "${way.service}" as who this is to Azure`;
      const { refresh_token: password } = await jsonAnswer(http, request, AcrSchema, what, signal);
      return { credentials: { username: ACR_USER, password }, expiresMs: Date.now() + ACR_MS };
    }
    case "known":
      return { credentials: way.credentials, expiresMs: Number.POSITIVE_INFINITY };
  }
}

async function loginToEcr(
  { service, region, endpoint, aws }: Extract<RegistryWay, { readonly kind: "ecr" }>,
  http: HttpClient,
  signal: AbortSignal,
): Promise<RegistryLogin> {
  const body = Buffer.from("{}");
  const request: HttpRequest = {
    method: "POST",
    url: new URL(endpoint),
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "content-length": String(body.length),
      "x-amz-target": TARGETS[service],
    },
    body: async function* () {
      yield body;
    },
  };
  const sha256 = createHash("sha256").update(body).digest("hex");
  const signed = await signAws(request, await fetchCredentials(aws, http, signal), { service, region }, sha256);
  const what = `cannot log in to ECR in ${region}`;
  const { authorizationData } = await jsonAnswer(http, signed, EcrSchema, what, signal);
  const data = Array.isArray(authorizationData) ? authorizationData[0] : authorizationData;
  const [username = "", password = ""] = Buffer.from(data.authorizationToken, "base64")
    .toString("utf8")
    .split(/:(.*)/s);
  if (username === "" || password === "") throw new BuildError("REGISTRY", `${what}: the token is no login`);
  return { credentials: { username, password }, expiresMs: (data.expiresAt ?? Number.POSITIVE_INFINITY) * 1000 };
}
