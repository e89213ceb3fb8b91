// Writes what `docker save` wrote before it knew OCI layouts, and what skopeo calls
// docker-archive: each config and each uncompressed layer once, and manifest.json over
// them. There is no manifest in it, so of the digests only the image id stays.

import type { Descriptor } from "../core/image/descriptor.ts";
import { compressionOf } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { hexOf } from "../core/digest.ts";
import { formatReference, parseReference } from "../core/image/reference.ts";
import { goJson } from "../image/json.ts";
import { parseImageManifest } from "../image/read.ts";
import type { TakeBytes } from "./archive-writer.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import type { ImageSink, SinkForms } from "./source.ts";
import { verified } from "./write-blob.ts";

const FORMS: SinkForms = {
  families: ["docker"],
  compressions: ["uncompressed"],
  indexes: false,
  artifacts: false,
  keepsManifest: false,
};

/** A docker archive as a sink, of one image or of several; names are full references. It appears with `finish`. */
export function openDockerArchiveSink(take: TakeBytes, name: string, signal: AbortSignal): ImageSink {
  const writer = new ArchiveWriter(take, signal);
  const images = new Map<
    Digest,
    { readonly Config: string; tags: readonly string[]; readonly Layers: readonly string[] }
  >();
  return {
    name,
    forms: FORMS,
    isSequential: true,
    has: async (descriptor) => writer.has(memberOf(descriptor)),
    putBlob: (descriptor, open) =>
      writer.add(memberOf(descriptor), descriptor.size, verified(descriptor, open(), name)),
    async putDocument(descriptor, bytes, names) {
      const { config, layers } = parseImageManifest(bytes, `manifest of ${name}`, descriptor.mediaType);
      const tags = names.map((one) => formatReference(parseReference(one)));
      const before = images.get(config.digest)?.tags ?? [];
      images.set(config.digest, {
        Config: memberOf(config),
        tags: [...new Set([...before, ...tags])],
        Layers: layers.map(memberOf),
      });
    },
    async finish() {
      const entries = [...images.values()].map(({ Config, tags, Layers }) =>
        goJson({ Config, RepoTags: tags.length === 0 ? null : tags, Layers }),
      );
      const bytes = Buffer.from(`[${entries.join(",")}]`);
      await writer.add("manifest.json", bytes.length, [bytes]);
      await writer.finish();
    },
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}

function memberOf({ digest, mediaType }: Descriptor): string {
  return `${hexOf(digest)}.${compressionOf(mediaType) === undefined ? "json" : "tar"}`;
}
