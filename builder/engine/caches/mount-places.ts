// Where the cache mounts of a build's caches lie: beside each cache, under its tag with ".mounts".

import type { CacheFrom, CacheTo } from "../../cache-request.ts";
import type { MountsArtifact } from "../../cache/mounts/artifact.ts";
import { mountsTag, readArtifact } from "../../cache/mounts/artifact.ts";
import { BuildError } from "../../core/errors.ts";
import { parseReference } from "../../core/reference.ts";
import { registryOptions } from "../../registry-options.ts";
import type { BuildRequest } from "../../request.ts";
import type { ImageSource } from "../../transport/source.ts";

/** A cache that may have mounts beside it. */
type Placed = Extract<CacheFrom | CacheTo, { readonly type: "registry" | "local" }>;

/** An artifact, and the place that gives its blobs; closed by whoever opened it. */
export interface OpenMounts {
  readonly source: ImageSource;
  readonly artifact: MountsArtifact;
}

/** The tag beside a cache; undefined where the cache is named by a digest alone. */
export function tagBeside(spec: Placed): string | undefined {
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
  const tag = tagBeside(spec);
  if (tag === undefined) return undefined;
  let source: ImageSource | undefined;
  try {
    source = await openSource(spec, tag, request);
    return { source, artifact: await readArtifact(source, signal) };
  } catch (error) {
    await source?.[Symbol.asyncDispose]();
    if (error instanceof BuildError && error.code === "INPUT_MISSING") return undefined;
    throw error;
  }
}

async function openSource(spec: Placed, tag: string, request: BuildRequest): Promise<ImageSource> {
  if (spec.type === "local") {
    const { openOciLayout } = await import("../../transport/oci-layout.ts");
    return await openOciLayout(spec.path, { ref: tag });
  }
  const { openRegistry } = await import("../../transport/registry/source.ts");
  const { digest: _digest, ...reference } = parseReference(spec.reference);
  return await openRegistry({ ...reference, tag }, registryOptions(request));
}
