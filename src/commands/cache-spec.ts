// `--cache-from REF|type=T,key=value…` and `--cache-to …`: one cache as it was written, in docker's words.

import { resolve } from "node:path";
import type { CacheFrom, CacheLook, CacheTo } from "../../builder/cache-request.ts";
import type { Digest } from "../../builder/core/digest.ts";
import { isDigest } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { formatReference, parseReference } from "../../builder/core/reference.ts";
import { AttributeValues } from "../cli/attribute-values.ts";
import { parseCsv, parsePairs } from "../cli/csv.ts";
import { nearest } from "../cli/nearest.ts";

/** A cache, and a registry that it asks to reach without TLS or its check. */
export interface CacheSpec<T> {
  readonly cache: T;
  readonly insecureRegistry: string | undefined;
}

const LOOK_KEYS = ["mode", "ignore-error", "compression", "compression-level", "force-compression", "mounts"];
const FORM_KEYS = ["image-manifest", "oci-mediatypes"];
/** Whether cache mounts travel with a cache. */
const MOUNTS = ["none", "max"] as const;
const FROM_KEYS = {
  registry: ["ref", "registry.insecure", "mounts"],
  local: ["src", "tag", "digest", "mounts"],
} as const;
const TO_KEYS = {
  registry: ["ref", "registry.insecure", ...LOOK_KEYS, ...FORM_KEYS],
  local: ["dest", "tag", ...LOOK_KEYS, ...FORM_KEYS],
  inline: ["ignore-error"],
} as const;

/** Reads one `--cache-from`. Throws `USAGE`, `UNSUPPORTED`. */
export function parseCacheFrom(text: string): CacheSpec<CacheFrom> {
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
  }
}

/** Reads one `--cache-to`. Throws `USAGE`, `UNSUPPORTED`. */
export function parseCacheTo(text: string): CacheSpec<CacheTo> {
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
  }
}

function plain<T>(cache: T): CacheSpec<T> {
  return { cache, insecureRegistry: undefined };
}

function lookOf(attributes: Attributes<string>): CacheLook {
  attributes.refuse("compression", "estargz");
  const compression = attributes.choice("compression", ["gzip", "zstd", "uncompressed"]);
  const ociMediaTypes = attributes.boolean("oci-mediatypes") ?? true;
  const imageManifest = attributes.boolean("image-manifest") ?? ociMediaTypes;
  if (imageManifest && !ociMediaTypes) throw attributes.fault("image-manifest=true needs oci-mediatypes=true");
  const level = attributes.level(compression ?? "gzip");
  return {
    mode: attributes.choice("mode", ["min", "max"]) ?? "min",
    ignoreError: attributes.boolean("ignore-error") ?? true,
    imageManifest,
    ociMediaTypes,
    ...(compression === undefined && level === undefined ? {} : { compression: compression ?? "gzip" }),
    ...(level === undefined ? {} : { level }),
    forceCompression: attributes.boolean("force-compression") ?? false,
    mounts: attributes.choice("mounts", MOUNTS) ?? "none",
  };
}

/** A value without fields is the reference of a registry's cache. */
function read<T extends string>(
  text: string,
  flag: string,
  keys: Readonly<Record<T, readonly string[]>>,
): Attributes<T> {
  const fields = parseCsv(text, flag);
  if (fields.every((field) => !field.includes("="))) {
    const [ref] = fields;
    if (fields.length !== 1 || ref === undefined || ref === "")
      throw new BuildError("USAGE", `${flag}: "${text}" is neither an image name nor type=T,key=value,...`);
    return new Attributes(flag, keys, [
      ["type", "registry"],
      ["ref", ref],
    ]);
  }
  const pairs = parsePairs(text, flag).map(({ key, value }): [string, string] => [key, value]);
  return new Attributes(flag, keys, pairs);
}

/** The attributes of one cache. */
class Attributes<T extends string> extends AttributeValues {
  readonly type: T;

  constructor(
    flag: string,
    keys: Readonly<Record<T, readonly string[]>>,
    pairs: readonly (readonly [string, string])[],
  ) {
    super(flag, new Map(pairs));
    const types = Object.keys(keys) as T[]; // the keys of a record of T
    const named = this.text("type");
    if (named === undefined) throw this.fault("type is required", `types are ${types.join(", ")}`);
    const type = types.find((candidate) => candidate === named);
    if (type === undefined) {
      if (["gha", "s3", "azblob"].includes(named)) this.refuse("type", named);
      throw this.fault(`unknown type "${named}"`, `types are ${types.join(", ")}`);
    }
    this.type = type;
    for (const [key] of pairs) {
      if (key === "type" || keys[type].includes(key)) continue;
      const near = nearest(key, keys[type]);
      throw this.fault(
        `"${key}" is no attribute of type=${type} here`,
        near === undefined ? undefined : `did you mean ${near}?`,
      );
    }
  }

  required(key: string): string {
    const value = this.text(key);
    if (value === undefined) throw this.fault(`type=${this.type} needs ${key}=…`);
    return value;
  }

  /** A cache under the image name in `ref`. */
  inRegistry<C>(cache: (reference: string) => C): CacheSpec<C> {
    let reference;
    try {
      reference = parseReference(this.required("ref"));
    } catch (error) {
      throw this.fault(error instanceof Error ? error.message : String(error));
    }
    const insecureRegistry = this.boolean("registry.insecure") === true ? reference.registry : undefined;
    return { cache: cache(formatReference(reference)), insecureRegistry };
  }

  digest(): Digest | undefined {
    const text = this.text("digest");
    if (text === undefined || isDigest(text)) return text;
    throw this.fault(`digest="${text}" is not a sha256 digest`);
  }
}
