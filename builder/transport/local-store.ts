// The store as a source of images.

import { BuildError } from "../core/errors.ts";
import type { BlobStore, ImageNames } from "../store/store.ts";
import type { ImageSource } from "./source.ts";

/** An image of the store under its full reference. */
export function storeSource(store: BlobStore & { readonly names: ImageNames }, reference: string): ImageSource {
  return {
    name: reference,
    async top() {
      const descriptor = await store.names.resolve(reference);
      if (descriptor === undefined)
        throw new BuildError("INPUT_MISSING", `"${reference}" is not in the store "${store.layoutPath}"`);
      return { descriptor, bytes: await store.read(descriptor.digest) };
    },
    document: (descriptor) => store.read(descriptor.digest),
    blob: (descriptor, signal) => store.open(descriptor.digest, signal),
    pathOf: (descriptor) => store.pathOf(descriptor.digest),
    async [Symbol.asyncDispose]() {
      // The store outlives it.
    },
  };
}
