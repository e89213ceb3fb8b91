// What differs between two images: what they say of themselves, and their files, each with the layer and the instruction
// that made it so. Layers that both have at the bottom are read once, and what they hold is not compared.

import type { Digest } from "./core/digest.ts";
import { ImageFiles } from "./engine/images/image-files.ts";
import type { FieldChange } from "./image/compare-configs.ts";
import { compareStatements } from "./image/compare-configs.ts";
import { layerInstructions } from "./image/history.ts";
import type { TreeChange } from "./layer/view/compare-trees.ts";
import { compareTrees } from "./layer/view/compare-trees.ts";
import type { Entry } from "./layer/entry.ts";
import type { PlatformImage } from "./open-image.ts";

export type { FieldChange } from "./image/compare-configs.ts";
export type { TreeChange } from "./layer/view/compare-trees.ts";

/** One side of the comparison. */
export interface DiffSide {
  readonly name: string;
  readonly imageId: Digest;
  /** Bottom first. */
  readonly layers: readonly {
    readonly diffId: Digest;
    readonly digest: Digest;
    readonly instruction: string | undefined;
  }[];
}

export interface ImageDiff {
  readonly a: DiffSide;
  readonly b: DiffSide;
  /** Layers at the bottom that are the same. */
  readonly sharedLayers: number;
  readonly fields: readonly FieldChange[];
  readonly files: readonly TreeChange[];
}

export interface DiffOptions {
  /** Root of the store, absolute. */
  readonly root: string;
  /** Whether times count: of files, of the config, of the history. */
  readonly times: boolean;
}

/** Compares two images. Throws `UNSUPPORTED` for what is none. */
export async function diffImages(
  a: PlatformImage,
  b: PlatformImage,
  { root, times }: DiffOptions,
  signal: AbortSignal,
): Promise<ImageDiff> {
  await using filesOfA = new ImageFiles(a, root, signal);
  await using filesOfB = new ImageFiles(b, root, signal);
  const [sideA, sideB] = [sideOf(a, filesOfA), sideOf(b, filesOfB)];
  const differs = sideA.layers.findIndex(({ diffId }, at) => diffId !== sideB.layers[at]?.diffId);
  const sharedLayers = differs < 0 ? sideA.layers.length : differs;
  const isSame = sharedLayers === sideA.layers.length && sharedLayers === sideB.layers.length;
  return {
    a: sideA,
    b: sideB,
    sharedLayers,
    fields: compareStatements(
      { config: filesOfA.config, annotations: a.manifest.manifest.annotations ?? {} },
      { config: filesOfB.config, annotations: b.manifest.manifest.annotations ?? {} },
      times,
    ),
    files: isSame ? [] : await compareFiles(filesOfA, filesOfB, sharedLayers, times),
  };
}

async function compareFiles(a: ImageFiles, b: ImageFiles, sharedLayers: number, times: boolean): Promise<TreeChange[]> {
  const ofA = await a.allEntries();
  const ofB: (readonly Entry[])[] = [];
  // The very entries of the other side: equal ones are then told by identity.
  for (const at of b.layers.keys()) ofB[at] = at < sharedLayers ? (ofA[at] ?? []) : await b.entries(at);
  return compareTrees(ofA, ofB, { sharedLayers, times });
}

function sideOf({ opened, manifest }: PlatformImage, files: ImageFiles): DiffSide {
  const instructions = layerInstructions(files.config);
  return {
    name: opened.name,
    imageId: manifest.manifest.config.digest,
    layers: files.layers.map(({ diffId, descriptor }, at) => ({
      diffId,
      digest: descriptor.digest,
      instruction: instructions[at],
    })),
  };
}
