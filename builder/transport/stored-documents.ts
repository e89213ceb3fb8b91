// Manifests and configs that the store has need not be fetched: a name is resolved by a HEAD where its place can do that,
// and a digest by nothing at all.

import type { Descriptor } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import type { BlobStore } from "../store/store.ts";
import type { ImageSource } from "./source.ts";
import { mediaTypeIn } from "./source.ts";

const DOCUMENT_BYTES = 16 << 20;

/** A source whose documents and small blobs come from the store where it has them whole. What comes from the source is the caller's to verify. */
export function withStoredDocuments(
  source: ImageSource,
  store: BlobStore,
): Pick<ImageSource, "name" | "top" | "document" | "blob"> {
  const stored = (digest: Descriptor["digest"]): Promise<Uint8Array | undefined> => storedDocument(store, digest);
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
    async *blob(descriptor, signal) {
      const bytes = await stored(descriptor.digest);
      if (bytes === undefined) yield* source.blob(descriptor, signal);
      else yield bytes;
    },
  };
}

/** A document or small blob that the store has whole; one that is damaged comes anew. */
export async function storedDocument(store: BlobStore, digest: Descriptor["digest"]): Promise<Uint8Array | undefined> {
  const size = await store.sizeOf(digest);
  if (size === undefined || size > DOCUMENT_BYTES) return undefined;
  try {
    return await store.read(digest);
  } catch (error) {
    if (error instanceof BuildError && error.code === "STORE") return undefined;
    throw error;
  }
}
