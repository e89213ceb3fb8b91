// Where the cache mounts of a build's caches lie: beside each cache, under its tag, name or scope with ".mounts".

import type { BucketCache, CacheFrom, CacheTo } from "../../cache-request.ts";
import type { MountsArtifact } from "../../cache/mounts/artifact.ts";
import { mountsTag, readArtifact } from "../../cache/mounts/artifact.ts";
import { BuildError } from "../../core/errors.ts";
import { parseReference } from "../../core/image/reference.ts";
import { nameOfBucket, openBucket } from "./open-bucket.ts";
import { registryOptions } from "../../registry-options.ts";
import type { BuildRequest } from "../../request.ts";
import type { ImageSource } from "../../transport/source.ts";

type InImages = Extract<CacheFrom | CacheTo, { readonly type: "registry" | "local" }>;
/** A cache that may have mounts beside it. */
type Placed = InImages | BucketCache;

/** An artifact, and the place that gives its blobs; closed by whoever opened it. */
export interface OpenMounts {
  readonly source: Pick<ImageSource, "name" | "blob"> & AsyncDisposable;
  readonly artifact: MountsArtifact;
  /** Whether the place may have lost a blob that the artifact names: rules of buckets take away what is old. */
  readonly mayLoseBlobs: boolean;
}

/** Where the mounts beside a cache in a bucket lie: among the same blobs, under other names. */
export function bucketBeside(spec: BucketCache): BucketCache {
  if (spec.type === "gha") return { ...spec, scope: `${spec.scope}.mounts` };
  return { ...spec, names: spec.names.map((name) => `${name}.mounts`) };
}

/** A cache's place, for people. */
export function nameOfPlace(spec: Placed): string {
  if (spec.type === "registry") return spec.reference;
  return spec.type === "local" ? `"${spec.path}"` : nameOfBucket(spec);
}

/** The tag beside a cache; undefined where the cache is named by a digest alone. */
export function tagBeside(spec: InImages): string | undefined {
  if (spec.type === "local") return "digest" in spec ? undefined : mountsTag(spec.tag ?? "latest");
  const { tag, digest } = parseReference(spec.reference);
  return digest === undefined || tag !== undefined ? mountsTag(tag ?? "latest") : undefined;
}

/** The mounts beside a cache; undefined where there are none. Throws where there are some that cannot be read. */
export async function openMounts(
  spec: Placed,
  request: BuildRequest,
  signal: AbortSignal,
): Promise<OpenMounts | undefined> {
  await using undo = new AsyncDisposableStack();
  try {
    const opened =
      spec.type === "registry" || spec.type === "local"
        ? await openInImages(spec, request, undo, signal)
        : await openInBucket(spec, request, undo, signal);
    if (opened !== undefined) undo.move();
    return opened;
  } catch (error) {
    if (error instanceof BuildError && error.code === "INPUT_MISSING") return undefined;
    throw error;
  }
}

async function openInBucket(
  spec: BucketCache,
  request: BuildRequest,
  undo: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<OpenMounts> {
  const { readBucketMounts } = await import("../../cache/mounts/in-bucket.ts");
  const source = undo.use(await openBucket(bucketBeside(spec), request));
  return { source, artifact: await readBucketMounts(source, signal), mayLoseBlobs: true };
}

async function openInImages(
  spec: InImages,
  request: BuildRequest,
  undo: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<OpenMounts | undefined> {
  const tag = tagBeside(spec);
  if (tag === undefined) return undefined;
  const source = undo.use(await openSource(spec, tag, request));
  return { source, artifact: await readArtifact(source, signal), mayLoseBlobs: false };
}

async function openSource(spec: InImages, tag: string, request: BuildRequest): Promise<ImageSource> {
  if (spec.type === "local") {
    const { openOciLayout } = await import("../../transport/oci-layout.ts");
    return await openOciLayout(spec.path, { ref: tag });
  }
  const { openRegistry } = await import("../../transport/registry/source.ts");
  const { digest: _digest, ...reference } = parseReference(spec.reference);
  return await openRegistry({ ...reference, tag }, registryOptions(request));
}
