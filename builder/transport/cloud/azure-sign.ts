// Requests to Azure's storage, with a signature of the account's key (learn.microsoft.com, "Authorize with Shared Key").

import { createHmac } from "node:crypto";
import { BuildError } from "../../core/errors.ts";
import type { HttpRequest } from "../registry/http/http.ts";

/** The version of the protocol that requests name. */
export const AZURE_VERSION = "2021-12-02";

/** An account with its key. */
export interface AzureKey {
  readonly account: string;
  /** Base64. */
  readonly key: string;
}

/** The headers of the first lines of what is signed, in this order. */
const STANDARD = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-type",
  "date",
  "if-modified-since",
  "if-match",
  "if-none-match",
  "if-unmodified-since",
  "range",
] as const;

/** The same request with `x-ms-date`, `x-ms-version` and its signature. Throws `CONFIG` for a key that is no base64. */
export function signAzure(request: HttpRequest, { account, key }: AzureKey): HttpRequest {
  const secret = Buffer.from(key, "base64");
  if (secret.length === 0 || secret.toString("base64").replace(/=+$/, "") !== key.replace(/=+$/, ""))
    throw new BuildError("CONFIG", `the access key of the storage account "${account}" is not base64`);
  const headers: Record<string, string> = { "x-ms-date": new Date().toUTCString(), "x-ms-version": AZURE_VERSION };
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value;
  const signature = createHmac("sha256", secret)
    .update(stringToSign(request, headers, account))
    .digest("base64");
  return { ...request, headers: { ...headers, authorization: `SharedKey ${account}:${signature}` } };
}

/** `headers` have lower-case names. */
function stringToSign(
  { method, url }: Pick<HttpRequest, "method" | "url">,
  headers: Readonly<Record<string, string>>,
  account: string,
): string {
  const standard = STANDARD.map((name) => {
    const value = headers[name] ?? "";
    return name === "content-length" && value === "0" ? "" : value;
  });
  const own = Object.entries(headers)
    .filter(([name]) => name.startsWith("x-ms-"))
    .map(([name, value]) => `${name}:${value.trim()}`)
    .sort();
  const query = new Map<string, string[]>();
  for (const [name, value] of url.searchParams) {
    const key = name.toLowerCase();
    query.set(key, [...(query.get(key) ?? []), value]);
  }
  const parameters = [...query].map(([name, values]) => `${name}:${values.toSorted().join(",")}`).toSorted();
  return [method, ...standard, ...own, `/${account}${url.pathname}`, ...parameters].join("\n");
}
