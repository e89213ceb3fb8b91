// An image by its digest: what the store has of it is read there, and only the rest is
// brought from elsewhere, which is opened when something is missing.

import type { Digest } from "../core/digest.ts";
import { parseDocument } from "../image/read.ts";
import type { BlobStore } from "../store/store.ts";
import type { ImageSource } from "./source.ts";

/** The image `digest` names; `open` opens where it comes from. */
export function storeFirst(
  name: string,
  digest: Digest,
  store: BlobStore,
  open: () => Promise<ImageSource>,
): ImageSource {
  let opened: Promise<ImageSource> | undefined;
  const elsewhere = (): Promise<ImageSource> => (opened ??= open());
  return {
    name,
    async top(signal) {
      if (!(await store.has(digest))) return await (await elsewhere()).top(signal);
      const bytes = await store.read(digest);
      const document = parseDocument(bytes, `${name} (${digest})`);
      const inside = document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
      return { descriptor: { mediaType: inside, digest, size: bytes.length }, bytes };
    },
    async document(descriptor, signal) {
      if (await store.has(descriptor.digest)) return await store.read(descriptor.digest);
      return await (await elsewhere()).document(descriptor, signal);
    },
    async *blob(descriptor, signal) {
      if (await store.has(descriptor.digest)) yield* store.open(descriptor.digest, signal);
      else yield* (await elsewhere()).blob(descriptor, signal);
    },
    async [Symbol.asyncDispose]() {
      await (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]();
    },
  };
}
