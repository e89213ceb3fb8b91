// The document of a cache that travels, in BuildKit's form (cache/remotecache/v1/types): records of cache keys, linked to
// the records of their inputs, and the layers that results are made of.

import * as v from "valibot";
import type { Digest } from "../../core/digest.ts";
import { isDigest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { goJson } from "../../image/json.ts";
import type { LayerFacts } from "./annotations.ts";
import { FORM } from "./annotations.ts";

/** How Go writes a time that nobody set. */
const NO_TIME = "0001-01-01T00:00:00Z";

export const CACHE_CONFIG_TYPE = "application/vnd.buildkit.cacheconfig.v0";

/** A layer on another one. */
export interface CacheLayer {
  readonly blob: Digest;
  /** Number of the layer below; -1: none. */
  readonly parent: number;
  /** What no manifest says of it, where there is none (`type=s3`, `azblob`, `gha`). */
  readonly about?: LayerAbout | undefined;
}

/** A layer's blob, as the document itself describes it. */
export interface LayerAbout extends LayerFacts {
  readonly mediaType: string;
  readonly size: number;
}

/** A result: a layer with all below it, or a list of layers without theirs. */
export interface CacheResult {
  readonly layers: readonly number[];
  readonly isChain: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** A way to an input's record. */
export interface CacheLink {
  /** A digest; "" is none. */
  readonly selector: string;
  /** Number of the record. */
  readonly record: number;
}

export interface CacheRecord {
  readonly digest: Digest;
  /** For each input of the step, the records that it may have. */
  readonly inputs: readonly (readonly CacheLink[])[];
  readonly results: readonly CacheResult[];
}

export interface CacheConfig {
  readonly layers: readonly CacheLayer[];
  readonly records: readonly CacheRecord[];
}

const Index = v.pipe(v.number(), v.integer(), v.minValue(0));
const DigestText = v.custom<Digest>((input) => typeof input === "string" && isDigest(input), "is not a sha256 digest");
const CreatedAt = v.optional(v.string(), "");
const RecordsSchema = v.array(
  v.object({
    digest: DigestText,
    layers: v.nullish(v.array(v.object({ layer: Index, createdAt: CreatedAt }))),
    chains: v.nullish(v.array(v.object({ layers: v.array(Index), createdAt: CreatedAt }))),
    inputs: v.nullish(v.array(v.array(v.object({ selector: v.optional(v.string(), ""), link: Index })))),
  }),
);
const AboutSchema = v.pipe(
  v.object({
    mediaType: v.string(),
    diffID: DigestText,
    size: Index,
    createdAt: CreatedAt,
    [FORM]: v.optional(v.string()),
  }),
  v.transform(({ mediaType, diffID, size, createdAt, [FORM]: form }): LayerAbout => {
    return { mediaType, diffId: diffID, size, createdAt: createdAt === NO_TIME ? undefined : createdAt, form };
  }),
);
const LayerSchema = v.object({
  blob: DigestText,
  parent: v.optional(v.pipe(v.number(), v.integer(), v.minValue(-1)), 0),
  annotations: v.nullish(AboutSchema),
});
const ConfigSchema = v.object({
  layers: v.nullish(v.array(LayerSchema)),
  records: v.nullish(RecordsSchema),
});

/** Reads the document. Throws `ARCHIVE_INVALID`. */
export function parseCacheConfig(bytes: Uint8Array, what: string): CacheConfig {
  const { layers, records } = check(ConfigSchema, bytes, what);
  const read = (layers ?? []).map(({ blob, parent, annotations }): CacheLayer => {
    return { blob, parent, ...(annotations === undefined || annotations === null ? {} : { about: annotations }) };
  });
  return checked({ layers: read, records: recordsOf(records ?? []) }, what);
}

/** Reads the records that an image's config has (`moby.buildkit.cache.v0`); their layers are the image's. */
export function parseInlineRecords(bytes: Uint8Array, layers: readonly Digest[], what: string): CacheConfig {
  const records = recordsOf(check(RecordsSchema, bytes, what));
  return checked({ layers: layers.map((blob, at) => ({ blob, parent: at - 1 })), records }, what);
}

/** The document as BuildKit's JSON has it. */
export function writeCacheConfig({ layers, records }: CacheConfig): Uint8Array {
  const written = {
    ...(layers.length === 0
      ? {}
      : {
          layers: layers.map(({ blob, parent, about }) => ({
            blob,
            ...(parent === 0 ? {} : { parent }),
            ...(about === undefined ? {} : { annotations: aboutJson(about) }),
          })),
        }),
    ...(records.length === 0 ? {} : { records: records.map(recordJson) }),
  };
  return Buffer.from(goJson(written));
}

/** Only the records, for an image's config. */
export function writeInlineRecords(records: readonly CacheRecord[]): Uint8Array {
  return Buffer.from(`[${records.map((record) => goJson(recordJson(record))).join(",")}]`);
}

function aboutJson({ mediaType, diffId, size, createdAt, form }: LayerAbout): { readonly [key: string]: unknown } {
  return {
    mediaType,
    diffID: diffId,
    size,
    createdAt: createdAt ?? NO_TIME,
    ...(form === undefined ? {} : { [FORM]: form }),
  };
}

function recordJson({ digest, inputs, results }: CacheRecord): { readonly [key: string]: unknown } {
  const tops = results.filter(({ isChain }) => !isChain);
  const chains = results.filter(({ isChain }) => isChain);
  return {
    ...(tops.length === 0
      ? {}
      : { layers: tops.map(({ layers, createdAt }) => ({ layer: layers[0] ?? 0, createdAt })) }),
    ...(chains.length === 0 ? {} : { chains: chains.map(({ layers, createdAt }) => ({ layers, createdAt })) }),
    digest,
    ...(inputs.length === 0
      ? {}
      : {
          inputs: inputs.map((links) =>
            links.map(({ selector, record }) => ({ ...(selector === "" ? {} : { selector }), link: record })),
          ),
        }),
  };
}

function recordsOf(records: v.InferOutput<typeof RecordsSchema>): readonly CacheRecord[] {
  return records.map(({ digest, layers, chains, inputs }) => ({
    digest,
    inputs: (inputs ?? []).map((links) => links.map(({ selector, link }) => ({ selector, record: link }))),
    results: [
      ...(layers ?? []).map(({ layer, createdAt }) => ({ layers: [layer], isChain: false, createdAt })),
      ...(chains ?? []).map(({ layers: list, createdAt }) => ({ layers: list, isChain: true, createdAt })),
    ],
  }));
}

/** Every number names something, and nothing stands on itself. */
function checked(config: CacheConfig, what: string): CacheConfig {
  const { layers, records } = config;
  const refuse = (why: string): never => {
    throw new BuildError("ARCHIVE_INVALID", `${what} is no valid cache: ${why}`);
  };
  for (const { parent } of layers) if (parent >= layers.length) refuse(`there is no layer ${parent}`);
  for (const { inputs, results } of records) {
    for (const { record } of inputs.flat()) if (record >= records.length) refuse(`there is no record ${record}`);
    for (const layer of results.flatMap((result) => result.layers))
      if (layer >= layers.length) refuse(`there is no layer ${layer}`);
    if (inputs.some((links) => links.length === 0)) refuse("an input has no record");
  }
  if (hasLoop(layers.map(({ parent }) => (parent < 0 ? [] : [parent])))) refuse("layers stand on themselves");
  if (hasLoop(records.map(({ inputs }) => inputs.flat().map(({ record }) => record)))) refuse("records form a loop");
  return config;
}

/** Whether following the numbers leads back somewhere. */
function hasLoop(edges: readonly (readonly number[])[]): boolean {
  const state = new Map<number, "open" | "done">();
  for (const start of edges.keys()) {
    const stack = [start];
    for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
      if (state.get(at) !== undefined) {
        state.set(at, "done");
        stack.pop();
        continue;
      }
      state.set(at, "open");
      for (const next of edges[at] ?? []) {
        if (state.get(next) === "open") return true;
        if (state.get(next) === undefined) stack.push(next);
      }
    }
  }
  return false;
}

function check<const S extends v.GenericSchema>(schema: S, bytes: Uint8Array, what: string): v.InferOutput<S> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BuildError("ARCHIVE_INVALID", `${what} is not JSON`, { cause: error });
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new BuildError("ARCHIVE_INVALID", `${what} is not valid: "${v.getDotPath(issue) ?? "it"}": ${issue.message}`);
}
