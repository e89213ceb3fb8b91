// `--cache-from`/`--cache-to` of type=gha, s3 and azblob: their attributes in BuildKit's words, and what the environment
// says where they say nothing, as buildx and BuildKit look for it.

import type { BucketCache } from "../../../builder/cache-request.ts";
import type { Environment } from "../../config/environment.ts";
import { readBoolean } from "../../cli/values/booleans.ts";
import type { CacheAttributes } from "./cache-attributes.ts";

const DAY_MS = 24 * 3600e3;
const GHA_TIMEOUT_MS = 10 * 60e3;
const GITHUB_API = "https://api.github.com";
/** The host of version 2 of GitHub's own service. */
const RESULTS_HOST = "results-receiver.actions.githubusercontent.com";

/** Reads one such cache. Throws `USAGE`, `UNSUPPORTED`, `CONFIG`. */
export async function readBucketCache(
  attributes: CacheAttributes<string>,
  type: BucketCache["type"],
  environment: Environment,
): Promise<BucketCache> {
  switch (type) {
    case "gha":
      return ofActions(attributes, environment);
    case "s3":
      return await ofS3(attributes, environment);
    case "azblob":
      return await ofAzure(attributes, environment);
  }
}

function ofActions(attributes: CacheAttributes<string>, environment: Environment): BucketCache {
  const written = attributes.choice("version", ["1", "2"]);
  const isSecond = written === undefined && readBoolean(environment["ACTIONS_CACHE_SERVICE_V2"] ?? "") === true;
  const results = environment["ACTIONS_RESULTS_URL"] || undefined;
  const second = attributes.text("url_v2") ?? (written === "2" || isSecond ? results : undefined);
  const first = attributes.text("url") ?? (environment["ACTIONS_CACHE_URL"] || results);
  const url = (written === "1" ? first : (second ?? first)) ?? "";
  if (url !== "" && !URL.canParse(url)) throw attributes.fault(`"${url}" is no URL of a cache service`);
  const usesSecond = written === "2" || (written === undefined && (second !== undefined || url.includes(RESULTS_HOST)));
  const repository = attributes.text("repository");
  const token = attributes.text("ghtoken");
  const api = environment["GITHUB_API_URL"] || GITHUB_API;
  return {
    type: "gha",
    url,
    version: usesSecond ? 2 : 1,
    token: attributes.text("token") ?? environment["ACTIONS_RUNTIME_TOKEN"] ?? "",
    scope: attributes.text("scope") ?? "buildkit",
    timeoutMs: attributes.duration("timeout") ?? GHA_TIMEOUT_MS,
    ...(repository === undefined || token === undefined ? {} : { repository: { api, name: repository, token } }),
  };
}

async function ofS3(attributes: CacheAttributes<string>, environment: Environment): Promise<BucketCache> {
  const bucket = attributes.required("bucket", "AWS_BUCKET", environment);
  const accessKeyId = attributes.text("access_key_id");
  const secretAccessKey = attributes.text("secret_access_key");
  const sessionToken = attributes.text("session_token");
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw attributes.fault("access_key_id and secret_access_key belong together");
  const { awsSettings } = await import("../../config/cloud/aws.ts");
  const written = attributes.text("region");
  const isComplete = accessKeyId !== undefined && secretAccessKey !== undefined;
  const settings = isComplete && written !== undefined ? undefined : await awsSettings(environment);
  const region = written ?? settings?.region ?? attributes.required("region", "AWS_REGION", environment);
  const endpoint =
    attributes.text("endpoint_url") ??
    (environment["AWS_ENDPOINT_URL_S3"] || environment["AWS_ENDPOINT_URL"] || undefined);
  if (endpoint !== undefined && !URL.canParse(endpoint)) throw attributes.fault(`"${endpoint}" is no URL`);
  // Requests never ask for a compressed answer, so there is nothing to switch off.
  attributes.boolean("disable_accept_encoding");
  attributes.choice("retry_mode", ["standard", "adaptive"]);
  attributes.refuse("retry_mode", "adaptive");
  const attempts = attributes.count("retry_max_attempts");
  const prefix = attributes.text("prefix") ?? "";
  return {
    type: "s3",
    place: {
      bucket,
      region,
      usePathStyle: attributes.boolean("use_path_style") ?? false,
      ...(endpoint === undefined ? {} : { endpoint }),
    },
    way: isComplete
      ? {
          kind: "keys",
          credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
        }
      : (settings?.way ?? { kind: "none", reason: "there are no AWS credentials" }),
    manifestsPrefix: prefix + (attributes.written("manifests_prefix") ?? "manifests/"),
    blobsPrefix: prefix + (attributes.written("blobs_prefix") ?? "blobs/"),
    names: attributes.names("name", "buildkit"),
    touchMs: attributes.duration("touch_refresh") ?? DAY_MS,
    ...(attempts === undefined ? {} : { retries: attempts - 1 }),
  };
}

async function ofAzure(attributes: CacheAttributes<string>, environment: Environment): Promise<BucketCache> {
  const accountUrl = attributes.required("account_url", "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL", environment);
  const url = URL.parse(accountUrl);
  if (url === null || !/^https?:$/.test(url.protocol)) throw attributes.fault("account_url is no URL of an account");
  const account =
    attributes.text("account_name") ??
    (environment["BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME"] || url.hostname.split(".")[0] || "");
  const key = attributes.text("secret_access_key");
  const prefix = attributes.text("prefix") ?? environment["BUILDKIT_AZURE_STORAGE_PREFIX"] ?? "";
  const { azureWay } = await import("../../config/cloud/azure.ts");
  return {
    type: "azblob",
    accountUrl,
    container: attributes.text("container") ?? (environment["BUILDKIT_AZURE_STORAGE_CONTAINER"] || "buildkit-cache"),
    login:
      key !== undefined
        ? { kind: "key", key: { account, key } }
        : url.searchParams.has("sig")
          ? { kind: "url" }
          : { kind: "way", way: azureWay(environment) },
    manifestsPrefix: joined(prefix, attributes.text("manifests_prefix") ?? "manifests"),
    blobsPrefix: joined(prefix, attributes.text("blobs_prefix") ?? "blobs"),
    names: attributes.names("name", "buildkit"),
  };
}

/** As a path, whatever slashes were written. */
function joined(...parts: readonly string[]): string {
  return parts
    .join("/")
    .split("/")
    .filter((part) => part !== "")
    .join("/");
}
