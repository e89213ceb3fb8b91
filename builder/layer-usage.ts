// What each layer of an image holds and weighs, which instruction made it, and what of it is wasted.

import { BuildError } from "./core/errors.ts";
import type { Descriptor } from "./core/image/descriptor.ts";
import type { Digest } from "./core/digest.ts";
import { ImageFiles } from "./engine/images/image-files.ts";
import { layerInstructions } from "./image/history.ts";
import type { Entry } from "./layer/entry.ts";
import type { MarkedNode } from "./layer/tree/marked-tree.ts";
import { markedTree } from "./layer/tree/marked-tree.ts";
import type { LayerUsage, WastedPath } from "./layer/view/usage.ts";
import { weighLayers } from "./layer/view/usage.ts";
import type { PlatformImage } from "./open-image.ts";

export type { Mark, MarkedNode } from "./layer/tree/marked-tree.ts";

export interface LayerReport extends LayerUsage {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** Undefined where the history does not tell. */
  readonly instruction: string | undefined;
  readonly entries: readonly Entry[];
}

export interface ImageUsage {
  /** Bottom first. */
  readonly layers: readonly LayerReport[];
  readonly bytes: number;
  readonly wastedBytes: number;
  /** The part of `bytes` that is in the merged tree, 0 to 1. */
  readonly efficiency: number;
  readonly wasted: readonly WastedPath[];
}

/** Reads and weighs all layers; `root` is the store's. Throws `UNSUPPORTED` for what is no image. */
export async function imageUsage(image: PlatformImage, root: string, signal: AbortSignal): Promise<ImageUsage> {
  await using files = new ImageFiles(image, root, signal);
  const all = await files.allEntries();
  const instructions = layerInstructions(files.config);
  const { layers, bytes, wastedBytes, wasted } = weighLayers(all);
  return {
    bytes,
    wastedBytes,
    wasted,
    efficiency: bytes === 0 ? 1 : (bytes - wastedBytes) / bytes,
    layers: layers.map((usage, at) => {
      const layer = files.layers[at];
      if (layer === undefined) throw new BuildError("INTERNAL", "more layers were weighed than there are");
      return { ...usage, ...layer, instruction: instructions[at], entries: all[at] ?? [] };
    }),
  };
}

/** The tree up to a layer, counted from 0, with what that layer does to it. */
export function treeUpTo({ layers }: ImageUsage, layer: number): MarkedNode {
  return markedTree(
    layers.map(({ entries }) => entries),
    layer,
  );
}
