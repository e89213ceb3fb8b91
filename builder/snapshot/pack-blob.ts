// Entries to a blob in the store: the one way from a layer's entries to its bytes.

import { layerMediaType } from "../core/image/descriptor.ts";
import { contentBytes, LayerIndex } from "../layer/index-file.ts";
import type { PackRequest } from "../layer/jobs/jobs.ts";
import { plainDescriptor } from "./layer-files.ts";
import type { LayerPlace } from "./ports.ts";
import type { BlobOptions, LayerBlob } from "./ref.ts";

/** A smaller layer is compressed before an index is read. */
const LEAST_BYTES_FOR_BLOCKS = 4 << 20;

/** Packs the layer `id` as the options say; the blob is in the store when this resolves. The index is as the tar has it. */
export async function packBlob(
  place: LayerPlace,
  id: string,
  content: PackRequest["content"],
  options: BlobOptions,
  signal: AbortSignal,
): Promise<{ readonly blob: LayerBlob; readonly index: LayerIndex }> {
  // Compressed it takes less; a ceiling is one for what does not compress, too.
  const bytes =
    "index" in content
      ? contentBytes(new LayerIndex(content.index))
      : content.reduce((sum, { entry }) => sum + entry.size, 0);
  using _space = await place.space.reserve(bytes);
  await using writer = await place.blobs.writer(signal);
  const { compression, level, encoder, maxMtimeNs } = options;
  const watched = place.watch?.begin(id);
  const blocks = bytes < LEAST_BYTES_FOR_BLOCKS ? undefined : place.storedBlocks;
  const packed = await place.jobs.pack(
    {
      content,
      outFile: writer.path,
      sync: true,
      compression,
      ...(level === undefined ? {} : { level }),
      ...(encoder === undefined ? {} : { encoder }),
      ...(maxMtimeNs === undefined ? {} : { maxMtimeNs }),
      ...(watched === undefined ? {} : { lookFor: watched.strings }),
      ...(blocks === undefined ? {} : { storedBlocks: { ...blocks, temporaryFile: writer.path } }),
    },
    signal,
  );
  await writer.adopt(packed);
  watched?.done(id, packed.found ?? []);
  const descriptor = plainDescriptor(layerMediaType(compression, "oci"), packed.digest, packed.size);
  const { diffId, uncompressedSize } = packed;
  return { blob: { descriptor, diffId, uncompressedSize }, index: packed.index };
}
