// Whether the store has all of an image. Of a multi-platform one that was pulled it has the
// index, and the images of those platforms that were wanted.

import type { Descriptor } from "../../core/image/descriptor.ts";
import { BuildError } from "../../core/errors.ts";
import type { Platform } from "../../core/image/platform.ts";
import { chooseManifest } from "../../image/index.ts";
import type { ImageIndex } from "../../image/index.ts";
import { parseDocument } from "../../image/read.ts";
import type { BlobStore } from "../../store/store.ts";

/** Whether a manifest, or an index and all that it names, is there with its configs and layers. */
export async function isWhole(store: BlobStore, descriptor: Descriptor): Promise<boolean> {
  if (!(await store.has(descriptor.digest))) return false;
  const document = parseDocument(await store.read(descriptor.digest), descriptor.digest, descriptor.mediaType);
  if (document.kind === "index") return await every(document.index.manifests, (child) => isWhole(store, child));
  const { config, layers } = document.manifest;
  return await every([config, ...layers], ({ digest }) => store.has(digest));
}

/** Whether the store can give a platform's image of what it has under a name. An index that does not name the platform can: it answers the question. */
export async function holdsPlatform(store: BlobStore, named: Descriptor, platform: Platform): Promise<boolean> {
  const document = parseDocument(await store.read(named.digest), named.digest, named.mediaType);
  if (document.kind === "manifest") return true;
  const chosen = choose(document.index, platform);
  return chosen === undefined || (await isWhole(store, chosen));
}

function choose(index: ImageIndex, platform: Platform): Descriptor | undefined {
  try {
    return chooseManifest(index, platform, "the image");
  } catch (error) {
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

async function every<T>(things: readonly T[], holds: (thing: T) => Promise<boolean>): Promise<boolean> {
  for (const thing of things) if (!(await holds(thing))) return false;
  return true;
}
