// The store as a source and a sink of images.

import { BuildError } from "../core/errors.ts";
import type { BlobStore, ImageNames } from "../store/store.ts";
import type { ImageSink, ImageSource } from "./source.ts";

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

/** The store as a sink; names are full references. */
export function storeSink(store: BlobStore & { readonly names: ImageNames }): ImageSink {
  return {
    name: `store "${store.layoutPath}"`,
    async has(descriptor) {
      return (await store.sizeOf(descriptor.digest)) === descriptor.size;
    },
    async putBlob(descriptor, open, signal) {
      await using writer = await store.writer(signal);
      for await (const chunk of open()) await writer.write(chunk);
      await writer.commit({ digest: descriptor.digest, size: descriptor.size });
    },
    async putDocument(descriptor, bytes, names) {
      await store.put(bytes);
      for (const name of names) await store.names.tag(name, descriptor);
    },
    async [Symbol.asyncDispose]() {
      // The store outlives it.
    },
  };
}
