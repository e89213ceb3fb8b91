// The names in the local store: list them, give an image another one, take one away.

import type { Descriptor } from "./core/descriptor.ts";
import { BuildError } from "./core/errors.ts";
import { formatPlatform } from "./core/platform.ts";
import { formatReference, parseReference } from "./core/reference.ts";
import { isAttestation } from "./image/index.ts";
import { parseConfig, parseDocument, platformOf } from "./image/read.ts";
import { openStore } from "./store/open.ts";
import type { BlobStore } from "./store/store.ts";

/** One image that a name in the store names; an index has several. */
export interface NamedImage {
  readonly name: string;
  readonly platform: string;
  /** Digest of the config. */
  readonly imageId: string;
  /** Digest of the manifest, or of the index when the name names one. */
  readonly digest: string;
  /** RFC 3339; absent in images that do not say. */
  readonly created?: string;
  /** Compressed layers, config and manifest, in bytes. */
  readonly sizeBytes: number;
}

/** All named images, by name. Throws `STORE` when one cannot be read. */
export async function listImages(root: string): Promise<NamedImage[]> {
  const store = await openStore(root);
  const images: NamedImage[] = [];
  for (const { name, descriptor } of await store.names.list()) {
    for (const image of await imagesOf(store, descriptor)) images.push({ name, ...image });
  }
  return images.sort((a, b) => compare(a.name, b.name) || compare(a.platform, b.platform));
}

/** Gives an image of the store one more name. Throws `INPUT_MISSING`. */
export async function tagImage(root: string, from: string, to: string): Promise<void> {
  const store = await openStore(root);
  const descriptor = await store.names.resolve(formatReference(parseReference(from)));
  if (descriptor === undefined) throw unknownName(from);
  await store.names.tag(formatReference(parseReference(to)), descriptor);
}

/** Takes names away; what no name needs is freed by the next garbage collection. Throws `INPUT_MISSING` for the first unknown one. */
export async function untagImages(root: string, names: readonly string[]): Promise<string[]> {
  const store = await openStore(root);
  const full = names.map((name) => ({ name, reference: formatReference(parseReference(name)) }));
  for (const { name, reference } of full) {
    if (!(await store.names.untag(reference))) throw unknownName(name);
  }
  return full.map(({ reference }) => reference);
}

async function imagesOf(store: BlobStore, descriptor: Descriptor): Promise<Omit<NamedImage, "name">[]> {
  const document = parseDocument(await store.read(descriptor.digest), `"${descriptor.digest}"`, descriptor.mediaType);
  if (document.kind === "index") {
    const nested: Omit<NamedImage, "name">[] = [];
    for (const manifest of document.index.manifests) {
      // An index may name platforms that were never fetched, and manifests that are no images.
      if (manifest.artifactType !== undefined || isAttestation(manifest)) continue;
      if (!(await store.has(manifest.digest))) continue;
      nested.push(...(await imagesOf(store, manifest)));
    }
    return nested.map((image) => ({ ...image, digest: descriptor.digest }));
  }
  const { config, layers } = document.manifest;
  const parsed = parseConfig(await store.read(config.digest), `"${config.digest}"`);
  return [
    {
      platform: formatPlatform(platformOf(parsed)),
      imageId: config.digest,
      digest: descriptor.digest,
      ...(parsed.created === undefined ? {} : { created: parsed.created }),
      sizeBytes: layers.reduce((sum, layer) => sum + layer.size, descriptor.size + config.size),
    },
  ];
}

function unknownName(name: string): BuildError {
  return new BuildError("INPUT_MISSING", `no image "${name}" in the store`, {
    hint: "`tsbuild images` lists what is there",
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
