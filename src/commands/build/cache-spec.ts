// `--cache-from REF|type=T,key=value…` and `--cache-to …`: one cache as it was written, in docker's words.

import { resolve } from "node:path";
import type { BucketCache, CacheFrom, CacheLook, CacheReach, CacheTo } from "../../../builder/cache-request.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import { parseCsv, parsePairs } from "../../cli/values/csv.ts";
import type { Environment } from "../../config/environment.ts";
import type { CacheKeys, CacheSpec } from "./cache-attributes.ts";
import { CacheAttributes } from "./cache-attributes.ts";

/** BuildKit's upload_parallelism. */
const LAYERS_AT_ONCE = 4;
const REACH_KEYS = ["mode", "ignore-error", "mounts"];
const LOOK_KEYS = [...REACH_KEYS, "compression", "compression-level", "force-compression"];
const FORM_KEYS = ["image-manifest", "oci-mediatypes"];
/** Whether cache mounts travel with a cache. */
const MOUNTS = ["none", "max"] as const;
const GHA_KEYS = ["scope", "token", "url", "url_v2", "version", "timeout", "repository", "ghtoken"];
const PLACE_KEYS = ["name", "prefix", "blobs_prefix", "manifests_prefix"];
const S3_KEYS = [
  ...PLACE_KEYS,
  ...["bucket", "region", "endpoint_url", "use_path_style", "access_key_id", "secret_access_key", "session_token"],
  ...["touch_refresh", "upload_parallelism", "disable_accept_encoding", "retry_mode", "retry_max_attempts"],
];
const AZURE_KEYS = [...PLACE_KEYS, "account_url", "account_name", "secret_access_key", "container"];
const FROM_KEYS = {
  registry: ["ref", "registry.insecure", "mounts"],
  local: ["src", "tag", "digest", "mounts"],
  gha: [...GHA_KEYS, "mounts"],
  s3: [...S3_KEYS, "mounts"],
  azblob: [...AZURE_KEYS, "mounts"],
} as const;
const TO_KEYS = {
  registry: ["ref", "registry.insecure", ...LOOK_KEYS, ...FORM_KEYS],
  local: ["dest", "tag", ...LOOK_KEYS, ...FORM_KEYS],
  inline: ["ignore-error"],
  gha: [...GHA_KEYS, ...REACH_KEYS],
  s3: [...S3_KEYS, ...REACH_KEYS],
  azblob: [...AZURE_KEYS, ...REACH_KEYS],
} as const;

/** Reads one `--cache-from`; what it leaves open the environment may say. Throws `USAGE`, `UNSUPPORTED`, `CONFIG`. */
export async function parseCacheFrom(text: string, environment: Environment): Promise<CacheSpec<CacheFrom>> {
  const attributes = read(text, "--cache-from", FROM_KEYS);
  const mounts = attributes.choice("mounts", MOUNTS);
  const more = mounts === undefined ? {} : { mounts };
  switch (attributes.type) {
    case "registry":
      return attributes.inRegistry((reference) => ({ type: "registry", reference, ...more }));
    case "local": {
      const tag = attributes.text("tag");
      const digest = attributes.digest();
      const path = resolve(attributes.required("src"));
      return plain({ type: "local", path, ...(tag && { tag }), ...(digest && { digest }), ...more });
    }
    case "gha":
    case "s3":
    case "azblob":
      return plain({ ...(await bucketOf(attributes, attributes.type, environment)), ...more });
  }
}

/** Reads one `--cache-to`, likewise. Throws `USAGE`, `UNSUPPORTED`, `CONFIG`. */
export async function parseCacheTo(text: string, environment: Environment): Promise<CacheSpec<CacheTo>> {
  const attributes = read(text, "--cache-to", TO_KEYS);
  const ignoreError = attributes.boolean("ignore-error") ?? true;
  switch (attributes.type) {
    case "inline":
      return plain({ type: "inline", ignoreError });
    case "registry":
      return attributes.inRegistry((reference) => ({ type: "registry", reference, ...lookOf(attributes) }));
    case "local": {
      const tag = attributes.text("tag");
      const path = resolve(attributes.required("dest"));
      return plain({ type: "local", path, ...(tag && { tag }), ...lookOf(attributes) });
    }
    case "gha":
    case "s3":
    case "azblob": {
      const bucket = await bucketOf(attributes, attributes.type, environment);
      const layersAtOnce = attributes.count("upload_parallelism") ?? LAYERS_AT_ONCE;
      return plain({ ...bucket, ...reachOf(attributes), layersAtOnce });
    }
  }
}

function plain<T>(cache: T): CacheSpec<T> {
  return { cache, insecureRegistry: undefined };
}

async function bucketOf(
  attributes: CacheAttributes<string>,
  type: BucketCache["type"],
  environment: Environment,
): Promise<BucketCache> {
  const { readBucketCache } = await import("./bucket-cache-spec.ts");
  return await readBucketCache(attributes, type, environment);
}

function reachOf(attributes: CacheAttributes<string>): CacheReach {
  return {
    mode: attributes.choice("mode", ["min", "max"]) ?? "min",
    ignoreError: attributes.boolean("ignore-error") ?? true,
    mounts: attributes.choice("mounts", MOUNTS) ?? "none",
  };
}

function lookOf(attributes: CacheAttributes<string>): CacheLook {
  attributes.refuse("compression", "estargz");
  const compression = attributes.choice("compression", ["gzip", "zstd", "uncompressed"]);
  const ociMediaTypes = attributes.boolean("oci-mediatypes") ?? true;
  const imageManifest = attributes.boolean("image-manifest") ?? ociMediaTypes;
  if (imageManifest && !ociMediaTypes) throw attributes.fault("image-manifest=true needs oci-mediatypes=true");
  const level = attributes.level(compression ?? "gzip");
  return {
    ...reachOf(attributes),
    imageManifest,
    ociMediaTypes,
    ...(compression === undefined && level === undefined ? {} : { compression: compression ?? "gzip" }),
    ...(level === undefined ? {} : { level }),
    forceCompression: attributes.boolean("force-compression") ?? false,
  };
}

/** A value without fields is the reference of a registry's cache. */
function read<T extends string>(text: string, flag: string, keys: CacheKeys<T>): CacheAttributes<T> {
  const fields = parseCsv(text, flag);
  if (fields.every((field) => !field.includes("="))) {
    const [ref] = fields;
    if (fields.length !== 1 || ref === undefined || ref === "")
      throw new BuildError("USAGE", `${flag}: "${text}" is neither an image name nor type=T,key=value,...`);
    return new CacheAttributes(flag, keys, [
      ["type", "registry"],
      ["ref", ref],
    ]);
  }
  const pairs = parsePairs(text, flag).map(({ key, value }): [string, string] => [key, value]);
  return new CacheAttributes(flag, keys, pairs);
}
