// Cache mounts in a bucket: the artifact's manifest is a document there, its blobs lie among those of caches.

import { MEDIA } from "../../core/image/descriptor.ts";
import { digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ImageSink } from "../../transport/source.ts";
import type { CacheBucket } from "../buckets/bucket.ts";
import type { MountsArtifact } from "./artifact.ts";
import { readArtifact } from "./artifact.ts";

/** The mounts of all its documents, the first one's first. Throws what the bucket throws, `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function readBucketMounts(bucket: CacheBucket, signal: AbortSignal): Promise<MountsArtifact> {
  const documents = await bucket.documents(signal);
  if (documents.length === 0) throw new BuildError("INPUT_MISSING", `there are no cache mounts in ${bucket.name}`);
  const artifacts = documents.map(async (bytes) => {
    const descriptor = { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.length };
    return await readArtifact({ ...bucket, top: async () => ({ descriptor, bytes }) }, signal);
  });
  return { mounts: (await Promise.all(artifacts)).flatMap(({ mounts }) => mounts) };
}

/** What takes an artifact into a bucket; whoever disposes it closes the bucket. */
export function bucketSink(bucket: CacheBucket): ImageSink {
  return { ...bucket, putDocument: (_descriptor, bytes, _names, signal) => bucket.putDocument(bytes, signal) };
}
