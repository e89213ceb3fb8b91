// Cache mounts as an artifact: a manifest whose config says which mounts there are, and whose layers are their lists and
// their chunks. It lies beside a build's cache, under the cache's tag with ".mounts" (docs/cache-mounts.md).

import * as v from "valibot";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { MEDIA } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf, isDigest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { parseDocument } from "../../image/read.ts";
import type { ImageSource } from "../../transport/source.ts";
import { collect, verifyBytes } from "../../transport/source.ts";
import type { ChunkBlob } from "./listing.ts";
import { MOST_LISTING_BYTES } from "./listing.ts";

const MOUNTS_ARTIFACT = "application/vnd.tsbuild.cache.mounts.v1";
const CONFIG_TYPE = "application/vnd.tsbuild.cache.mounts.config.v1+json";
const LISTING_TYPE = "application/vnd.tsbuild.cache.mounts.files.v1+json+zstd";
const CHUNK_TYPE = "application/vnd.tsbuild.cache.mounts.chunk.v1+zstd";

const CONFIG_BYTES = 4 << 20;
/** What most registries take. */
const MANIFEST_BYTES = 4 << 20;

/** One mount of an artifact. */
export interface TravellingMount {
  /** Of its id and of what it began as: 64 hex digits (ops/cache-mounts.ts). */
  readonly name: string;
  /** As a Dockerfile says it, for people. */
  readonly id: string;
  readonly listing: Pick<Descriptor, "digest" | "size">;
  /** All its chunks, each once. */
  readonly blobs: readonly ChunkBlob[];
}

/** The artifact of some place. */
export interface MountsArtifact {
  readonly mounts: readonly TravellingMount[];
}

/** The tag of the artifact beside a cache. */
export function mountsTag(tag: string): string {
  const own = `${tag}.mounts`;
  // A tag has 128 characters at most (distribution-spec).
  return own.length <= 128 ? own : `mounts-${digestOf(tag).slice("sha256:".length)}`;
}

const Size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Digests = v.custom<Digest>((input) => typeof input === "string" && isDigest(input), "is not a sha256 digest");
const ConfigSchema = v.object({
  mounts: v.array(
    v.object({
      name: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      id: v.pipe(v.string(), v.maxLength(4096)),
      files: v.object({ digest: Digests, size: v.pipe(Size, v.maxValue(MOST_LISTING_BYTES.packed)) }),
      // Numbers of the manifest's layers.
      chunks: v.array(Size),
    }),
  ),
});

/** Reads the artifact that a source has. Throws what the source throws, `ARCHIVE_INVALID`, `DIGEST_INVALID`. */
export async function readArtifact(
  source: Pick<ImageSource, "name" | "top" | "blob">,
  signal: AbortSignal,
): Promise<MountsArtifact> {
  const { descriptor, bytes } = await source.top(signal);
  verifyBytes(descriptor, bytes, source.name);
  const document = parseDocument(bytes, `${source.name} (${descriptor.digest})`, descriptor.mediaType);
  if (document.kind === "index" || document.manifest.config.mediaType !== CONFIG_TYPE)
    throw new BuildError("ARCHIVE_INVALID", `${source.name} holds no cache mounts`);
  const { config, layers } = document.manifest;
  if (config.size > CONFIG_BYTES)
    throw new BuildError("ARCHIVE_INVALID", `the config of ${source.name} has ${config.size} bytes`);
  const configBytes = await readBlob(source, config, signal);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(configBytes).toString("utf8"));
  } catch (cause) {
    throw new BuildError("ARCHIVE_INVALID", `the config of ${source.name} is no JSON`, { cause });
  }
  const read = v.safeParse(ConfigSchema, json);
  if (!read.success) throw new BuildError("ARCHIVE_INVALID", `the config of ${source.name} is not valid`);
  const mounts = read.output.mounts.map(({ name, id, files, chunks }) => ({
    name,
    id,
    listing: files,
    blobs: chunks.map((number) => {
      const layer = layers[number];
      if (layer === undefined)
        throw new BuildError("ARCHIVE_INVALID", `the config of ${source.name} names layer ${number}`);
      return { digest: layer.digest, size: layer.size };
    }),
  }));
  return { mounts };
}

/** A small blob, verified. */
export async function readBlob(
  source: Pick<ImageSource, "name" | "blob">,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const descriptor = { mediaType: "application/octet-stream", digest, size };
  const bytes = await collect(source.blob(descriptor, signal), size, `${digest} of ${source.name}`);
  verifyBytes(descriptor, bytes, source.name);
  return bytes;
}

/** A chunk's descriptor. */
export function chunkDescriptor({ digest, size }: ChunkBlob): Descriptor {
  return { mediaType: CHUNK_TYPE, digest, size };
}

/** A list's descriptor. */
export function listingDescriptor({ digest, size }: Pick<Descriptor, "digest" | "size">): Descriptor {
  return { mediaType: LISTING_TYPE, digest, size };
}

/** The documents of an artifact; the same mounts give the same bytes. Throws `UNSUPPORTED` when no registry would take it. */
export function writeArtifact(mounts: readonly TravellingMount[]): {
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
  readonly manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array };
} {
  const sorted = mounts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const layers = new Map<Digest, Descriptor>();
  for (const { listing } of sorted) layers.set(listing.digest, listingDescriptor(listing));
  for (const blob of sorted.flatMap(({ blobs }) => blobs)) layers.set(blob.digest, chunkDescriptor(blob));
  const numbers = new Map([...layers.keys()].map((digest, number) => [digest, number]));
  const config = Buffer.from(
    JSON.stringify({
      mounts: sorted.map(({ name, id, listing: { digest, size }, blobs }) => ({
        name,
        id,
        files: { digest, size },
        chunks: blobs.map((blob) => numbers.get(blob.digest)),
      })),
    }),
  );
  const configDescriptor = { mediaType: CONFIG_TYPE, digest: digestOf(config), size: config.length };
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      artifactType: MOUNTS_ARTIFACT,
      config: configDescriptor,
      layers: [...layers.values()],
    }),
  );
  if (bytes.length > MANIFEST_BYTES)
    throw new BuildError("UNSUPPORTED", `the cache mounts have too many chunks for one manifest: ${layers.size}`);
  return {
    config: { descriptor: configDescriptor, bytes: config },
    manifest: {
      descriptor: { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.length },
      bytes,
    },
  };
}
