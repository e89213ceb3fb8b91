// A job's context in a cloud's store: s3://, gs://, and the URLs of Azure's blobs.

import type { CloudObject } from "../../../builder/cloud.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Environment } from "../../config/environment.ts";

/** What is read of a bucket where nothing is named; kaniko's. */
const DEFAULT_KEY = "context.tar.gz";
const GOOGLE_STORE = "https://storage.googleapis.com";
/** Where a store that is not Amazon's asks for no other one. */
const DEFAULT_REGION = "us-east-1";
const AZURE = /^https:\/\/([^/.]+)\.blob\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn|cloudapi\.de)\//;

/** Whether a context lies in a cloud's store. */
export function isCloudContext(url: string): boolean {
  return /^(?:s3|gs):\/\//.test(url) || AZURE.test(url);
}

/** The object that a context's URL names, and how it is read. Throws `USAGE`, `CONFIG`. */
export async function cloudContext(url: string, environment: Environment): Promise<CloudObject> {
  if (url.startsWith("s3://")) return await s3Context(url, environment);
  if (url.startsWith("gs://")) return await googleContext(url, environment);
  return await azureContext(url, environment);
}

function bucketIn(url: string): { readonly bucket: string; readonly key: string } {
  const [, bucket = "", key = ""] = /^\w+:\/\/([^/]*)\/?(.*)$/s.exec(url) ?? [];
  if (bucket === "") throw new BuildError("USAGE", `--context: "${url}" names no bucket`);
  return { bucket, key: key || DEFAULT_KEY };
}

async function s3Context(url: string, environment: Environment): Promise<CloudObject> {
  const { awsSettings } = await import("../../config/cloud/aws.ts");
  const { way, region = DEFAULT_REGION } = await awsSettings(environment);
  const { bucket, key } = bucketIn(url);
  const endpoint = environment["S3_ENDPOINT"] || environment["AWS_ENDPOINT_URL_S3"] || environment["AWS_ENDPOINT_URL"];
  const usePathStyle = environment["S3_FORCE_PATH_STYLE"]?.toLowerCase() === "true";
  return { kind: "s3", place: { bucket, region, usePathStyle, ...(endpoint && { endpoint }) }, key, aws: way };
}

async function googleContext(url: string, environment: Environment): Promise<CloudObject> {
  const emulator = environment["STORAGE_EMULATOR_HOST"];
  const place = bucketIn(url);
  // An emulator knows nobody, and must not see a token.
  if (emulator) {
    const endpoint = /^https?:\/\//.test(emulator) ? emulator : `http://${emulator}`;
    return { kind: "gcs", ...place, endpoint, google: undefined };
  }
  const { googleWay } = await import("../../config/cloud/google.ts");
  const endpoint = environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"] || GOOGLE_STORE;
  return { kind: "gcs", ...place, endpoint: new URL(endpoint).origin, google: await googleWay(environment) };
}

async function azureContext(text: string, environment: Environment): Promise<CloudObject> {
  const account = AZURE.exec(text)?.[1] ?? "";
  const connection = connectionOf(environment["AZURE_STORAGE_CONNECTION_STRING"]);
  const own = connection?.account === account ? connection : undefined;
  const url = own?.endpoint === undefined ? new URL(text) : below(own.endpoint, new URL(text));
  if (url.searchParams.has("sig")) return { kind: "azure", url, proof: "url" };
  const key = environment["AZURE_STORAGE_ACCESS_KEY"] || environment["AZURE_STORAGE_KEY"] || own?.key;
  if (key) return { kind: "azure", url, proof: { account, key } };
  const { azureWay } = await import("../../config/cloud/azure.ts");
  return { kind: "azure", url, proof: azureWay(environment) };
}

/** The same blob at another endpoint ("http://127.0.0.1:10000/account"). */
function below(endpoint: string, url: URL): URL {
  if (!URL.canParse(endpoint))
    throw new BuildError("CONFIG", `AZURE_STORAGE_CONNECTION_STRING: its BlobEndpoint is no URL`);
  return new URL(`${endpoint.replace(/\/+$/, "")}${url.pathname}${url.search}`);
}

function connectionOf(
  text: string | undefined,
): { readonly account: string; readonly key: string | undefined; readonly endpoint: string | undefined } | undefined {
  if (!text) return undefined;
  const fields = new Map(text.split(";").map((part) => (part.split(/=(.*)/s) as [string, string]).slice(0, 2) as [string, string])); // prettier-ignore
  const account = fields.get("AccountName");
  return account === undefined
    ? undefined
    : { account, key: fields.get("AccountKey"), endpoint: fields.get("BlobEndpoint") };
}
