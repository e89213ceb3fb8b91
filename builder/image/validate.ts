// One check for every image, whether assembled, pulled, copied or imported: that its
// four identities (image id, manifest digest, diff_ids, layer digests), its sizes and
// its history fit together and are what the bytes say.

import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Descriptor } from "../core/image/descriptor.ts";
import { compressionOf } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, Digester } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { ImageConfig } from "../core/image/image-config.ts";
import type { Platform } from "../core/image/platform.ts";
import { formatPlatform, normalizePlatform } from "../core/image/platform.ts";
import type { ImageManifest } from "./manifest.ts";
import { parseConfig, parseImageManifest, platformOf } from "./read.ts";

/** Where the blobs of an image are; the store is one. */
export interface BlobReader {
  read(digest: Digest, maxBytes?: number): Promise<Uint8Array>;
  sizeOf(digest: Digest): Promise<number | undefined>;
  open(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface ValidateOptions {
  /** "absent": layers may be missing (a lazy pull), those that are there are checked. "deep": read, hashed and unpacked. */
  readonly layers: "present" | "absent" | "deep";
  /** diffIDs by layer digest, recorded when the layers were made or unpacked: compared with the config. */
  readonly diffIds?: ReadonlyMap<Digest, Digest>;
  readonly signal: AbortSignal;
}

/** An image whose identities hold. */
export interface ValidImage {
  readonly platform: Platform;
  readonly imageId: Digest;
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** Checks the image that a manifest's descriptor names. Throws `ARCHIVE_INVALID` (or what the reader throws) at the first thing that does not hold. */
export async function validateImage(
  descriptor: Descriptor,
  blobs: BlobReader,
  options: ValidateOptions,
): Promise<ValidImage> {
  const what = `image ${descriptor.digest}`;
  const manifest = parseImageManifest(
    await readChecked(descriptor, blobs, what),
    `manifest of ${what}`,
    descriptor.mediaType,
  );
  const config = parseConfig(await readChecked(manifest.config, blobs, what), `config of ${what}`);
  checkPlatform(descriptor, config, what);
  checkCounts(manifest, config, what);
  for (const [place, layer] of manifest.layers.entries()) {
    const diffId = config.rootfs.diff_ids[place];
    const recorded = options.diffIds?.get(layer.digest);
    if (recorded !== undefined && recorded !== diffId) {
      throw invalid(what, `layer ${place + 1} (${layer.digest}) unpacks to ${recorded}, the config says ${diffId}`);
    }
    await checkLayer(layer, diffId, blobs, options, `${what}: layer ${place + 1}`);
  }
  return { platform: platformOf(config), imageId: manifest.config.digest, descriptor, manifest, config };
}

async function readChecked(descriptor: Descriptor, blobs: BlobReader, what: string): Promise<Uint8Array> {
  const bytes = await blobs.read(descriptor.digest);
  if (bytes.length !== descriptor.size)
    throw invalid(what, `${descriptor.digest} has ${bytes.length} bytes, its descriptor says ${descriptor.size}`);
  const found = digestOf(bytes);
  if (found !== descriptor.digest) throw invalid(what, `the bytes of ${descriptor.digest} have ${found}`);
  return bytes;
}

function checkPlatform(descriptor: Descriptor, config: ImageConfig, what: string): void {
  if (descriptor.platform === undefined) return;
  // A variant is often in one place only (arm64/v8 and arm64); system and architecture decide.
  const [named, own] = [normalizePlatform(descriptor.platform), platformOf(config)];
  if (named.os !== own.os || named.architecture !== own.architecture) {
    throw invalid(what, `the index calls it ${formatPlatform(named)}, its config ${formatPlatform(own)}`);
  }
}

function checkCounts(manifest: ImageManifest, config: ImageConfig, what: string): void {
  const [layers, diffIds] = [manifest.layers.length, config.rootfs.diff_ids.length];
  if (layers !== diffIds) throw invalid(what, `the manifest has ${layers} layers, the config ${diffIds} diff_ids`);
  if (config.history === undefined || config.history.length === 0) return;
  const described = config.history.filter((entry) => entry.empty_layer !== true).length;
  // Some tools write no history for some layers; more history than layers contradicts itself.
  if (described > layers) throw invalid(what, `the history tells of ${described} layers, the manifest has ${layers}`);
}

async function checkLayer(
  layer: Descriptor,
  diffId: Digest | undefined,
  blobs: BlobReader,
  options: ValidateOptions,
  what: string,
): Promise<void> {
  const size = await blobs.sizeOf(layer.digest);
  if (size === undefined && options.layers === "absent") return;
  if (size === undefined) throw invalid(what, `${layer.digest} is missing`);
  if (size !== layer.size) throw invalid(what, `${layer.digest} has ${size} bytes, the manifest says ${layer.size}`);
  if (options.layers === "deep") await checkBytes(layer, diffId, blobs, options.signal, what);
}

async function checkBytes(
  layer: Descriptor,
  diffId: Digest | undefined,
  blobs: BlobReader,
  signal: AbortSignal,
  what: string,
): Promise<void> {
  const outer = new Digester();
  const inner = new Digester();
  const hash = async function* (chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of chunks) {
      outer.update(chunk);
      yield chunk;
    }
  };
  const drain = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
    for await (const chunk of chunks) inner.update(chunk);
  };
  const options = { chunkSize: 1 << 18 };
  switch (compressionOf(layer.mediaType)) {
    case "gzip":
      await pipeline(blobs.open(layer.digest, signal), hash, createGunzip(options), drain, { signal });
      break;
    case "zstd":
      await pipeline(blobs.open(layer.digest, signal), hash, createZstdDecompress(options), drain, { signal });
      break;
    default:
      await pipeline(blobs.open(layer.digest, signal), hash, drain, { signal });
  }
  const [digest, unpacked] = [outer.digest(), inner.digest()];
  if (digest !== layer.digest) throw invalid(what, `the bytes of ${layer.digest} have ${digest}`);
  if (unpacked !== diffId) throw invalid(what, `${layer.digest} unpacks to ${unpacked}, the config says ${diffId}`);
}

function invalid(what: string, why: string): BuildError {
  return new BuildError("ARCHIVE_INVALID", `${what} does not hold together: ${why}`);
}
