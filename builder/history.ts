// The story of an image: which instruction made which layer, when, and how much it added.

import type { Digest } from "./core/digest.ts";
import type { HistoryEntry, InstructionPlace } from "./core/image/image-config.ts";
import { ImageFiles } from "./engine/images/image-files.ts";
import { historySteps } from "./image/history.ts";
import { weighEntries } from "./layer/view/usage.ts";
import type { PlatformImage } from "./open-image.ts";
import { instructionPlaces } from "./records/instruction-places.ts";

/** One entry, as the config has it, and what is known of its layer. */
export interface HistoryLine {
  readonly entry: HistoryEntry;
  /** Where it was written; known of images that were built here. */
  readonly place: InstructionPlace | undefined;
  /** Undefined when the entry made no layer. */
  readonly layer:
    | {
        /** From 0 at the bottom. */
        readonly number: number;
        readonly diffId: Digest;
        readonly digest: Digest;
        /** As it is stored and sent. */
        readonly compressedBytes: number;
        /** Of its files; undefined when layers were not to be read. */
        readonly bytes: number | undefined;
      }
    | undefined;
}

export interface HistoryOptions {
  /** Root of the store, absolute. */
  readonly root: string;
  /** Read the layers for the sizes of their files; a registry's are fetched for it. */
  readonly weigh: boolean;
}

/** The history, oldest first; an image without one has an entry for each layer. Throws `UNSUPPORTED` for what is no image. */
export async function imageHistory(
  image: PlatformImage,
  { root, weigh }: HistoryOptions,
  signal: AbortSignal,
): Promise<HistoryLine[]> {
  await using files = new ImageFiles(image, root, signal);
  const { config } = files;
  const places = await instructionPlaces(root, image.manifest.manifest.config.digest);
  const weights = weigh ? (await files.allEntries()).map(weighEntries) : [];
  const layerOf = (number: number): HistoryLine["layer"] => {
    const layer = files.layers[number];
    if (layer === undefined) return undefined;
    const { descriptor, diffId } = layer;
    return { number, diffId, digest: descriptor.digest, compressedBytes: descriptor.size, bytes: weights[number] };
  };
  const told = historySteps(config).map(({ entry, layer }, at): HistoryLine => {
    return { entry, place: places[at], layer: layer === undefined ? undefined : layerOf(layer) };
  });
  const described = told.filter(({ layer }) => layer !== undefined).length;
  const untold = files.layers
    .slice(described)
    .map((_, at): HistoryLine => ({ entry: {}, place: undefined, layer: layerOf(described + at) }));
  return [...told, ...untold];
}
