// An index over images of several places as one source: each manifest, and what it names,
// comes from where its image is.

import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { Document } from "../../image/manifest.ts";
import { parseDocument } from "../../image/read.ts";
import type { ImageSource } from "../source.ts";

/** The index as a source. Its parts stay open for as long as it is used, and are not closed with it. */
export function joinedSource(
  index: Document,
  parts: readonly { readonly descriptor: Descriptor; readonly source: ImageSource }[],
): ImageSource {
  const origins = new Map<Digest, ImageSource>(parts.map(({ descriptor, source }) => [descriptor.digest, source]));
  const originOf = ({ digest }: Descriptor): ImageSource => {
    const origin = origins.get(digest);
    if (origin === undefined) throw new BuildError("INTERNAL", `${digest} belongs to no image of the index`);
    return origin;
  };
  return {
    name: "the index",
    top: async () => index,
    async document(descriptor, signal) {
      const origin = originOf(descriptor);
      const bytes = await origin.document(descriptor, signal);
      const document = parseDocument(bytes, `${origin.name} (${descriptor.digest})`, descriptor.mediaType);
      const below =
        document.kind === "index" ? document.index.manifests : [document.manifest.config, ...document.manifest.layers];
      for (const { digest } of below) origins.set(digest, origin);
      return bytes;
    },
    blob: (descriptor, signal) => originOf(descriptor).blob(descriptor, signal),
    heldAt: (descriptor) => originOf(descriptor).heldAt?.(descriptor) ?? [],
    has: async (descriptor) => (await originOf(descriptor).has?.(descriptor)) ?? true,
    async [Symbol.asyncDispose]() {
      // The parts are their opener's.
    },
  };
}
