// Manifests that the store has need not be fetched: a name is resolved by a HEAD where its place can do that, and a
// digest by nothing at all.

import type { Descriptor } from "../core/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import type { BlobStore } from "../store/store.ts";
import type { ImageSource } from "./source.ts";
import { mediaTypeIn } from "./source.ts";

const DOCUMENT_BYTES = 16 << 20;

/** The documents of a source, from the store where it has them. Their bytes are the caller's to verify. */
export function withStoredDocuments(
  source: ImageSource,
  store: BlobStore,
): Pick<ImageSource, "name" | "top" | "document"> {
  const stored = async (digest: Descriptor["digest"]): Promise<Uint8Array | undefined> => {
    const size = await store.sizeOf(digest);
    return size === undefined || size > DOCUMENT_BYTES ? undefined : await store.read(digest);
  };
  return {
    name: source.name,
    async top(signal) {
      const resolved = await source.resolve?.(signal);
      if (resolved === undefined) return await source.top(signal);
      const { digest, mediaType, size } = resolved;
      const bytes = await stored(digest);
      if (bytes !== undefined)
        return {
          descriptor: { mediaType: mediaType ?? mediaTypeIn(bytes, source.name), digest, size: bytes.length },
          bytes,
        };
      if (mediaType === undefined || size === undefined) return await source.top(signal);
      // By the digest that it had a moment ago, also where a mirror serves nothing else.
      const descriptor = { mediaType, digest, size };
      try {
        return { descriptor, bytes: await source.document(descriptor, signal) };
      } catch (error) {
        // It may have moved just now; the name tells.
        if (!(error instanceof BuildError) || error.code !== "INPUT_MISSING") throw error;
        return await source.top(signal);
      }
    },
    async document(descriptor, signal) {
      return (await stored(descriptor.digest)) ?? (await source.document(descriptor, signal));
    },
  };
}
