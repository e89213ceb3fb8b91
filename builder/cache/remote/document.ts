// How a cache lies in a registry or a layout: a manifest whose config is the cache's document, or an index that lists it
// beside the layers (cache/remotecache/export.go, import.go); or in the config of an ordinary image.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { compressionOf, layerMediaType, MEDIA } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { goJson, sortedMap } from "../../image/json.ts";
import { parseDocument } from "../../image/read.ts";
import type { ImageSource } from "../../transport/source.ts";
import { collect, verifyBytes } from "../../transport/source.ts";
import type { CacheConfig } from "./config.ts";
import { CACHE_CONFIG_TYPE, parseCacheConfig, writeCacheConfig } from "./config.ts";

/** BuildKit reads no larger one than 1 MiB; what it cannot read here is still read by us. */
const CONFIG_BYTES = 64 << 20;
const MAX_DEPTH = 4;

/** One cache: its document, and the layers that lie with it. */
export interface ReadCache {
  readonly config: CacheConfig;
  readonly layers: ReadonlyMap<Digest, Descriptor>;
}

/** The form of a cache's manifest. */
export interface CacheForm {
  /** A manifest, as images have; else an index. */
  readonly imageManifest: boolean;
  readonly ociMediaTypes: boolean;
}

/** A cache as it is written: its blobs' descriptors are `layers`, and the document a blob as well. */
export interface WrittenCache {
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
}

/** Reads what a source holds. Images without a cache give nothing. Throws what the source throws, `ARCHIVE_INVALID`, `DIGEST_INVALID`. */
export async function readCaches(source: ImageSource, signal: AbortSignal): Promise<readonly ReadCache[]> {
  const top = await source.top(signal);
  verifyBytes(top.descriptor, top.bytes, source.name);
  return await readFrom(source, top, 0, signal);
}

async function readFrom(
  source: ImageSource,
  { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  depth: number,
  signal: AbortSignal,
): Promise<readonly ReadCache[]> {
  const document = parseDocument(bytes, `${source.name} (${descriptor.digest})`, descriptor.mediaType);
  const parts = document.kind === "index" ? document.index.manifests : document.manifest.layers;
  const config =
    document.kind === "index"
      ? parts.find(({ mediaType }) => mediaType === CACHE_CONFIG_TYPE)
      : document.manifest.config;
  if (config?.mediaType === CACHE_CONFIG_TYPE) {
    const what = `the cache of ${source.name}`;
    const layers = parts.filter(({ mediaType }) => compressionOf(mediaType) !== undefined);
    return [
      {
        config: parseCacheConfig(await readSmallBlob(source, config, signal), what),
        layers: new Map(layers.map((layer) => [layer.digest, layer])),
      },
    ];
  }
  if (document.kind === "manifest") {
    const { readInlineCache } = await import("./inline.ts");
    const cache = await readInlineCache(source, document.manifest, signal);
    return cache === undefined ? [] : [cache];
  }
  if (depth === MAX_DEPTH) throw new BuildError("ARCHIVE_INVALID", `${source.name} nests indexes too deep`);
  const found: ReadCache[] = [];
  for (const child of parts) {
    if (!DOCUMENTS.has(child.mediaType)) continue;
    const childBytes = await source.document(child, signal);
    verifyBytes(child, childBytes, source.name);
    found.push(...(await readFrom(source, { descriptor: child, bytes: childBytes }, depth + 1, signal)));
  }
  return found;
}

const DOCUMENTS = new Set<string>([MEDIA.ociIndex, MEDIA.ociManifest, MEDIA.dockerIndex, MEDIA.dockerManifest]);

/** A config, verified. */
export async function readSmallBlob(
  source: ImageSource,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const bytes = await collect(source.blob(descriptor, signal), CONFIG_BYTES, `${descriptor.digest} of ${source.name}`);
  verifyBytes(descriptor, bytes, source.name);
  return bytes;
}

/** A cache's document and manifest; `layers` has every blob that the config names. */
export function writeCache(
  config: CacheConfig,
  layers: ReadonlyMap<Digest, Descriptor>,
  { imageManifest, ociMediaTypes }: CacheForm,
): WrittenCache {
  const bytes = writeCacheConfig(config);
  const configDescriptor = { mediaType: CACHE_CONFIG_TYPE, digest: digestOf(bytes), size: bytes.length };
  const listed = config.layers.map(({ blob }) => {
    const layer = layers.get(blob);
    if (layer === undefined) throw new BuildError("INTERNAL", `the cache names the layer ${blob}, which is not there`);
    return descriptorJson(layer, ociMediaTypes ? "oci" : "docker");
  });
  const mediaType = imageManifest ? MEDIA.ociManifest : ociMediaTypes ? MEDIA.ociIndex : MEDIA.dockerIndex;
  const manifest = Buffer.from(
    goJson({
      schemaVersion: 2,
      mediaType,
      ...(imageManifest ? { config: configDescriptor, layers: listed } : { manifests: [...listed, configDescriptor] }),
    }),
  );
  return {
    config: { descriptor: configDescriptor, bytes },
    manifest: { descriptor: { mediaType, digest: digestOf(manifest), size: manifest.length }, bytes: manifest },
  };
}

function descriptorJson(
  { mediaType, digest, size, annotations }: Descriptor,
  family: "oci" | "docker",
): { readonly [key: string]: unknown } {
  return {
    mediaType: layerMediaType(compressionOf(mediaType) ?? "gzip", family),
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations: sortedMap(annotations) }),
  };
}
