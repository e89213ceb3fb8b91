// The images in the local store: list them, give one another name, take names away.

import type { Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { BuildError } from "./core/errors.ts";
import { formatPlatform } from "./core/image/platform.ts";
import type { ExpandName } from "./core/image/reference.ts";
import { givenName } from "./core/image/reference.ts";
import { isImageManifest } from "./image/convert.ts";
import { parseConfig, parseDocument, platformOf } from "./image/read.ts";
import { imageIdsOf, keptById, keptImages, requireStored, unknownImage } from "./engine/images/kept-images.ts";
import { openStore } from "./store/open.ts";
import { findStored } from "./engine/images/stored-images.ts";
import { isWhole } from "./engine/images/whole-images.ts";
import type { BlobStore } from "./store/store.ts";

/** One image of the store; an index has several, a name each. */
export interface ListedImage {
  /** Full reference, or a name of another tool's; undefined for an image that is kept without one. */
  readonly name: string | undefined;
  readonly platform: string;
  /** Digest of the config. */
  readonly imageId: Digest;
  /** Digest of the manifest, or of the index when the name names one. */
  readonly digest: Digest;
  /** Of this platform alone. */
  readonly manifest: Descriptor;
  /** RFC 3339; absent in images that do not say. */
  readonly created?: string;
  /** Compressed layers, config and manifest, in bytes. */
  readonly sizeBytes: number;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly labels: Readonly<Record<string, string>>;
}

/** All images, by name; those without one at the end. Throws `STORE` when one cannot be read. */
export async function listImages(root: string): Promise<ListedImage[]> {
  const store = await openStore(root);
  const images: ListedImage[] = [];
  for (const { name, descriptor } of await keptImages(store)) {
    for (const image of await imagesOf(store, descriptor)) images.push({ name, ...image });
  }
  return images.sort((a, b) => compare(a.name ?? LAST, b.name ?? LAST) || compare(a.platform, b.platform));
}

/** After every name. */
const LAST = "\uffff";

/** Gives an image, named by name or id, one more name. Throws `INPUT_MISSING`. */
export async function tagImage(root: string, from: string, to: string, expandName?: ExpandName): Promise<void> {
  const store = await openStore(root);
  const { descriptor } = await requireStored(store, from, expandName);
  await store.names.tag(givenName(to), descriptor);
}

/** What `untagImages` took away. */
export interface Untagged {
  /** Full references. */
  readonly names: readonly string[];
  /** Image ids of which nothing is left that names them. */
  readonly gone: readonly string[];
}

/**
 * Takes names away. An id takes all names of its image, if it has one only or `force` is given. What no name needs is freed
 * by the next garbage collection. Throws `INPUT_MISSING` for the first unknown one, `USAGE` for an id with several names.
 */
export async function untagImages(
  root: string,
  images: readonly string[],
  { force, expandName }: { readonly force: boolean; readonly expandName?: ExpandName | undefined },
): Promise<Untagged> {
  const store = await openStore(root);
  const names: string[] = [];
  const digests = new Map<Digest, Descriptor>();
  for (const text of images) {
    const found = await findStored(store, text, expandName);
    const meant = found?.name === undefined ? await keptById(store, text) : [found.descriptor];
    if (meant.length === 0) throw unknownImage(store, text);
    const isMeant = (descriptor: Descriptor): boolean => meant.some(({ digest }) => digest === descriptor.digest);
    const all = (await store.names.list()).filter(({ descriptor }) => isMeant(descriptor)).map(({ name }) => name);
    const own = found?.name === undefined ? all : [found.name];
    if (own.length > 1 && !force) {
      throw new BuildError("USAGE", `"${text}" has ${own.length} names`, {
        hint: `name them (${own.join(", ")}), or take all away with --force`,
      });
    }
    for (const one of own) if (await store.names.untag(one)) names.push(one);
    for (const descriptor of meant) {
      if (found?.name === undefined) await store.names.drop(descriptor.digest);
      digests.set(descriptor.digest, descriptor);
    }
  }
  const left = new Set((await keptImages(store)).map(({ descriptor }) => descriptor.digest));
  const gone: string[] = [];
  for (const [digest, descriptor] of digests)
    if (!left.has(digest)) gone.push(...(await imageIdsOf(store, descriptor)));
  return { names, gone: [...new Set(gone)] };
}

async function imagesOf(store: BlobStore, descriptor: Descriptor): Promise<Omit<ListedImage, "name">[]> {
  const document = parseDocument(await store.read(descriptor.digest), `"${descriptor.digest}"`, descriptor.mediaType);
  if (document.kind === "index") {
    const nested: Omit<ListedImage, "name">[] = [];
    for (const manifest of document.index.manifests) {
      // An index may name platforms that were never fetched.
      if (await isWhole(store, manifest)) nested.push(...(await imagesOf(store, manifest)));
    }
    return nested.map((image) => ({ ...image, digest: descriptor.digest }));
  }
  // Attestations and the like are no images.
  if (!isImageManifest(document.manifest)) return [];
  const { config, layers } = document.manifest;
  const parsed = parseConfig(await store.read(config.digest), `"${config.digest}"`);
  return [
    {
      platform: formatPlatform(platformOf(parsed)),
      imageId: config.digest,
      digest: descriptor.digest,
      manifest: descriptor,
      ...(parsed.created === undefined ? {} : { created: parsed.created }),
      sizeBytes: layers.reduce((sum, layer) => sum + layer.size, descriptor.size + config.size),
      layers,
      labels: parsed.config?.Labels ?? {},
    },
  ];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
