// Which layer an entry of the history made: those that are not "empty_layer" stand for the layers, in order.

import type { HistoryEntry, ImageConfig } from "../core/image-config.ts";

/** One entry of the history, bottom first. */
export interface HistoryStep {
  readonly entry: HistoryEntry;
  /** Number of its layer, from 0; undefined when it made none. */
  readonly layer: number | undefined;
}

/** The history with its layers. An entry beyond the last layer made none, whatever it says. */
export function historySteps(config: ImageConfig): HistoryStep[] {
  const layers = config.rootfs.diff_ids.length;
  let next = 0;
  return (config.history ?? []).map((entry) => {
    const layer = entry.empty_layer === true || next >= layers ? undefined : next++;
    return { entry, layer };
  });
}

/** The instruction of each layer, bottom first; undefined where the history tells of fewer layers. */
export function layerInstructions(config: ImageConfig): (string | undefined)[] {
  const found: (string | undefined)[] = config.rootfs.diff_ids.map(() => undefined);
  for (const { entry, layer } of historySteps(config)) {
    if (layer !== undefined) found[layer] = entry.created_by;
  }
  return found;
}
