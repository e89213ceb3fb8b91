// The store as a source and a sink of images.

import type { Descriptor } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import { formatPlatform } from "../core/image/platform.ts";
import type { BlobStore, ImageNames } from "../store/store.ts";
import { fetchBlob } from "./pull.ts";
import type { ImageSink, ImageSource } from "./source.ts";
import { ALL_FORMS } from "./source.ts";
import { writeBlob } from "./write-blob.ts";

/** A store with its names. */
export type NamedStore = BlobStore & { readonly names: ImageNames };

/** An image of the store under its full reference. */
export function storeSource(store: NamedStore, reference: string): ImageSource {
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

/** The store as a sink: names are full references. */
export function storeSink(store: NamedStore): ImageSink {
  return {
    name: "the local store",
    forms: ALL_FORMS,
    has: async ({ digest, size }) => (await store.sizeOf(digest)) === size,
    putBlob: (descriptor, open, signal) => writeBlob(store, descriptor, open(), signal),
    fetchBlob: (source, descriptor, signal, onStatus) => fetchBlob(source, descriptor, store, signal, onStatus),
    async putDocument(descriptor, bytes, names, _signal, isTop = false) {
      await store.put(bytes);
      for (const name of names) await store.names.tag(name, descriptor);
      if (isTop && names.length === 0) await store.names.keep(descriptor);
    },
    async [Symbol.asyncDispose]() {
      // The store outlives it.
    },
  };
}

function sourceOf(store: BlobStore, name: string, find: () => Promise<Descriptor>): ImageSource {
  return {
    name,
    isVerified: true,
    async top() {
      const descriptor = await find();
      return { descriptor, bytes: await store.read(descriptor.digest) };
    },
    async document({ digest, platform }) {
      if (await store.has(digest)) return await store.read(digest);
      const what = platform === undefined ? digest : formatPlatform(platform);
      throw new BuildError("INPUT_MISSING", `${name}: ${what} of it is not in the store`, {
        hint: "tsbuild pull brings the image of one platform, with --all-platforms all of them",
      });
    },
    blob: (descriptor, signal) => store.open(descriptor.digest, signal),
    pathOf: (descriptor) => store.pathOf(descriptor.digest),
    has: ({ digest }) => store.has(digest),
    async [Symbol.asyncDispose]() {
      // The store outlives it.
    },
  };
}
