// Tokens of Microsoft's identity platform, by the way that the settings name: an application with its secret, a workload
// with a federated token (AKS), or the identity of this machine (learn.microsoft.com, "DefaultAzureCredential").

import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import type { HttpClient } from "../registry/http/http.ts";
import { formRequest, jsonAnswer } from "./answers.ts";
import { readToken } from "./aws-credentials.ts";

/** A way to tokens. */
export type AzureWay =
  | (AzureApplication & { readonly kind: "secret"; readonly secret: string })
  | (AzureApplication & { readonly kind: "federated"; readonly tokenFile: string })
  /** Asks the machine's metadata service. */
  | { readonly kind: "machine"; readonly endpoint: string; readonly clientId?: string };

export interface AzureApplication {
  /** "https://login.microsoftonline.com/". */
  readonly authority: string;
  readonly tenantId: string;
  readonly clientId: string;
}

export interface AzureToken {
  readonly text: string;
  /** ms since the epoch. */
  readonly expiresMs: number;
}

const Seconds = v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.finite());
const TokenSchema = v.object({ access_token: v.string(), expires_in: Seconds });
const EARLY_MS = 5 * 60_000;

/** A token that is asked for once and again before it ends. */
export class AzureLogin {
  readonly #way: AzureWay;
  readonly #resource: string;
  readonly #http: HttpClient;
  #current: Promise<AzureToken> | undefined;

  /** `resource`: what the token is for, "https://storage.azure.com". */
  constructor(way: AzureWay, resource: string, http: HttpClient) {
    this.#way = way;
    this.#resource = resource;
    this.#http = http;
  }

  /** The one that holds now. Throws `CONFIG` where there is none, `REGISTRY` where it is refused. */
  async token(signal: AbortSignal): Promise<string> {
    const known = await this.#current;
    if (known !== undefined && known.expiresMs > Date.now() + EARLY_MS) return known.text;
    const next = fetchAzureToken(this.#way, this.#resource, this.#http, signal);
    this.#current = next;
    next.catch(() => (this.#current = undefined));
    return (await next).text;
  }
}

/** A token as a way gives it now. Throws `CONFIG`, `REGISTRY`. */
export async function fetchAzureToken(
  way: AzureWay,
  resource: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<AzureToken> {
  const { access_token: text, expires_in: seconds } =
    way.kind === "machine"
      ? await askMachine(way, resource, http, signal)
      : await askPlatform(way, resource, http, signal);
  return { text, expiresMs: Date.now() + seconds * 1000 };
}

type Answer = v.InferOutput<typeof TokenSchema>;

async function askPlatform(
  way: Exclude<AzureWay, { readonly kind: "machine" }>,
  resource: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<Answer> {
  const url = new URL(`${way.authority.replace(/\/+$/, "")}/${encodeURIComponent(way.tenantId)}/oauth2/v2.0/token`);
  const proof: Record<string, string> =
    way.kind === "secret"
      ? { client_secret: way.secret }
      : {
          client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
          client_assertion: await readToken(way.tokenFile),
        };
  const fields = {
    grant_type: "client_credentials",
    client_id: way.clientId,
    scope: `${resource.replace(/\/+$/, "")}/.default`,
    ...proof,
  };
  const what = `cannot log in to Azure as "${way.clientId}"`;
  return await jsonAnswer(http, formRequest(url, fields), TokenSchema, what, signal);
}

async function askMachine(
  { endpoint, clientId }: Extract<AzureWay, { readonly kind: "machine" }>,
  resource: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<Answer> {
  const url = new URL(`${endpoint.replace(/\/+$/, "")}/metadata/identity/oauth2/token`);
  url.searchParams.set("api-version", "2018-02-01");
  url.searchParams.set("resource", resource);
  if (clientId !== undefined) url.searchParams.set("client_id", clientId);
  const what = "there are no Azure credentials here, and this machine has no identity that gives any";
  try {
    return await jsonAnswer(
      http,
      { method: "GET", url, headers: { metadata: "true" }, once: true },
      TokenSchema,
      what,
      AbortSignal.any([signal, AbortSignal.timeout(5000)]),
    );
  } catch (cause) {
    signal.throwIfAborted();
    throw new BuildError("CONFIG", what, {
      cause,
      hint: "give the account's key, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
    });
  }
}
