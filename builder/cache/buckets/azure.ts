// A cache in a container of Azure's blob storage.

import type { Digest } from "../../core/digest.ts";
import type { AzureProof } from "../../transport/cloud/azure-blob.ts";
import { AzureBlobs } from "../../transport/cloud/azure-blob.ts";
import type { AzureWay } from "../../transport/cloud/azure-credentials.ts";
import { AzureLogin } from "../../transport/cloud/azure-credentials.ts";
import type { AzureKey } from "../../transport/cloud/azure-sign.ts";
import type { HttpClient } from "../../transport/registry/http/http.ts";
import type { CacheBucket } from "./bucket.ts";
import { DOCUMENT_BYTES } from "./bucket.ts";

export interface AzureCacheOptions {
  /** "https://account.blob.core.windows.net"; a shared access signature stands in its query. */
  readonly accountUrl: string;
  readonly container: string;
  readonly login:
    | { readonly kind: "key"; readonly key: AzureKey }
    | { readonly kind: "way"; readonly way: AzureWay }
    | { readonly kind: "url" };
  /** Of the blobs' names, without a slash at the end. */
  readonly manifestsPrefix: string;
  readonly blobsPrefix: string;
  /** Of the documents; each is written, each is read. */
  readonly names: readonly string[];
}

const RESOURCE = "https://storage.azure.com";

export function openAzureCache(options: AzureCacheOptions, http: HttpClient): CacheBucket {
  const { names, container, manifestsPrefix, blobsPrefix } = options;
  const blobs = new AzureBlobs(http, proofOf(options, http));
  const containerUrl = urlIn(options.accountUrl, [container]);
  const documentOf = (name: string): URL => urlOf(options, `${manifestsPrefix}/${name}`);
  const blobOf = ({ digest }: { readonly digest: Digest }): URL => urlOf(options, `${blobsPrefix}/${digest}`);
  let made: Promise<void> | undefined;
  /** Before the first write: whoever only reads need not be allowed to make one. */
  const ready = (signal: AbortSignal): Promise<void> => (made ??= blobs.ensureContainer(containerUrl, signal));
  return {
    name: `${containerUrl.origin}${containerUrl.pathname}/${names.join(";")}`,
    documents: async (signal) => {
      const read = names.map((name) => blobs.read(documentOf(name), DOCUMENT_BYTES, signal));
      return (await Promise.all(read)).filter((bytes) => bytes !== undefined);
    },
    blob: (descriptor, signal) => blobs.open(blobOf(descriptor), 0, signal),
    blobFrom: (descriptor, from, signal) => blobs.open(blobOf(descriptor), from, signal),
    has: async (descriptor, signal) => {
      await ready(signal);
      return await blobs.has(blobOf(descriptor), signal);
    },
    putBlob: async (descriptor, open, signal) => {
      await ready(signal);
      await blobs.put(blobOf(descriptor), { sizeBytes: descriptor.size, open }, { isNew: true }, signal);
    },
    putDocument: async (bytes, signal) => {
      await ready(signal);
      const whole = { sizeBytes: bytes.length, open: () => once(bytes) };
      for (const name of names) await blobs.put(documentOf(name), whole, { isNew: false }, signal);
    },
    [Symbol.asyncDispose]: async () => http.close(),
  };
}

function proofOf({ login }: AzureCacheOptions, http: HttpClient): AzureProof {
  return login.kind === "way" ? { kind: "login", login: new AzureLogin(login.way, RESOURCE, http) } : login;
}

function urlOf({ accountUrl, container }: AzureCacheOptions, name: string): URL {
  return urlIn(accountUrl, [container, ...name.split("/").filter((part) => part !== "")]);
}

function urlIn(accountUrl: string, parts: readonly string[]): URL {
  const url = new URL(accountUrl);
  url.pathname = [url.pathname.replace(/\/+$/, ""), ...parts.map(encodeURIComponent)].join("/");
  return url;
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
