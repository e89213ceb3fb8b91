// Caches that are no images: a document of records under a name, blobs under their digests (BuildKit's
// cache/remotecache/{s3,azblob,gha}). The document itself describes the layers, since no manifest does.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { compressionOf, layerMediaType } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { BlobSource } from "../../transport/pull.ts";
import { layerAnnotations, layerFacts } from "../remote/annotations.ts";
import type { CacheConfig } from "../remote/config.ts";
import { parseCacheConfig, writeCacheConfig } from "../remote/config.ts";
import type { ReadCache } from "../remote/document.ts";

/** A place that keeps such caches. Disposing it ends its connections. */
export interface CacheBucket extends BlobSource, AsyncDisposable {
  /** The documents under its names; none where nothing was written yet. */
  documents(signal: AbortSignal): Promise<readonly Uint8Array[]>;
  has(blob: Descriptor, signal: AbortSignal): Promise<boolean>;
  /** Takes a blob; `open` may be called again. */
  putBlob(blob: Descriptor, open: () => AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Takes the document, in place of the one before. */
  putDocument(bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}

/** No document that anybody reads is larger. */
export const DOCUMENT_BYTES = 64 << 20;

/** Reads the caches of a bucket. Throws what it throws, and `ARCHIVE_INVALID`. */
export async function readBucket(bucket: CacheBucket, signal: AbortSignal): Promise<readonly ReadCache[]> {
  const documents = await bucket.documents(signal);
  return documents.map((bytes) => {
    const config = parseCacheConfig(bytes, `the cache of ${bucket.name}`);
    const layers = new Map<Digest, Descriptor>();
    for (const { blob, about } of config.layers) {
      if (about === undefined) continue;
      const { mediaType, size, ...facts } = about;
      layers.set(blob, { mediaType, digest: blob, size, annotations: layerAnnotations(facts) });
    }
    return { config, layers };
  });
}

/** The document of a cache whose layers are `blobs`. */
export function bucketDocument(config: CacheConfig, blobs: ReadonlyMap<Digest, Descriptor>): Uint8Array {
  const layers = config.layers.map(({ blob, parent }) => {
    const descriptor = blobs.get(blob);
    const facts = descriptor === undefined ? undefined : layerFacts(descriptor);
    if (descriptor === undefined || facts === undefined)
      throw new BuildError("INTERNAL", `the cache names the layer ${blob}, which is not there`);
    const { mediaType, size } = descriptor;
    const ofOci = layerMediaType(compressionOf(mediaType) ?? "gzip", "oci");
    return { blob, parent, about: { mediaType: ofOci, size, ...facts } };
  });
  return writeCacheConfig({ ...config, layers });
}
