// The store as a source of images.

import type { Descriptor } from "../core/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import type { BlobStore, ImageNames } from "../store/store.ts";
import type { ImageSource } from "./source.ts";

/** An image of the store under its full reference. */
export function storeSource(store: BlobStore & { readonly names: ImageNames }, reference: string): ImageSource {
  return sourceOf(store, reference, async () => {
    const descriptor = await store.names.resolve(reference);
    if (descriptor === undefined)
      throw new BuildError("INPUT_MISSING", `"${reference}" is not in the store "${store.layoutPath}"`);
    return descriptor;
  });
}

/** What a descriptor names in the store; `name` is for people. */
export function storedImage(store: BlobStore, descriptor: Descriptor, name: string): ImageSource {
  return sourceOf(store, name, async () => descriptor);
}

function sourceOf(store: BlobStore, name: string, find: () => Promise<Descriptor>): ImageSource {
  return {
    name,
    async top() {
      const descriptor = await find();
      return { descriptor, bytes: await store.read(descriptor.digest) };
    },
    document: (descriptor) => store.read(descriptor.digest),
    blob: (descriptor, signal) => store.open(descriptor.digest, signal),
    has: (descriptor) => store.has(descriptor.digest),
    pathOf: (descriptor) => store.pathOf(descriptor.digest),
    async [Symbol.asyncDispose]() {
      // The store outlives it.
    },
  };
}
