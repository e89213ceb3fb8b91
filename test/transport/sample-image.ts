// Images for transfers: layers of given sizes that do not compress, in a store, with all identities right.

import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { type Digest, digestOf } from "../../builder/core/digest.ts";
import type { Platform } from "../../builder/core/image/platform.ts";
import { assembleManifest, type Document } from "../../builder/image/manifest.ts";
import { parseImageManifest } from "../../builder/image/read.ts";
import type { BlobStore } from "../../builder/store/store.ts";

export const AMD64: Platform = { os: "linux", architecture: "amd64" };

export interface SampleImage {
  /** Layers and config. */
  readonly blobs: readonly Descriptor[];
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Makes an image in a store; `layerBytes` are about the sizes of its blobs. */
export async function makeImage(store: BlobStore, layerBytes: readonly number[]): Promise<SampleImage> {
  const tars = layerBytes.map((size) => randomBytes(size));
  const layers: Descriptor[] = [];
  for (const tar of tars)
    layers.push({ mediaType: MEDIA.ociLayerGzip, ...(await store.put(gzipSync(tar, { level: 1 }))) });
  const rootfs = { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) };
  const bytes = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs }));
  const config = { mediaType: MEDIA.ociConfig, ...(await store.put(bytes)) };
  const document = assembleManifest(config, layers, "oci");
  await store.put(document.bytes);
  return imageOf(document, config, layers);
}

/** The image of a manifest in a store. */
export async function loadImage(store: BlobStore, digest: Digest): Promise<SampleImage> {
  const bytes = await store.read(digest);
  const { config, layers, mediaType } = parseImageManifest(bytes, digest);
  const descriptor = { mediaType, digest, size: bytes.length };
  return imageOf({ descriptor, bytes }, config, layers);
}

function imageOf(document: Document, config: Descriptor, layers: readonly Descriptor[]): SampleImage {
  const { descriptor } = document;
  return { blobs: [...layers, config], manifest: descriptor, config, layers };
}
