// What one ref has on top of another: its own layers, where the other is its base.

import { BuildError } from "../core/errors.ts";
import type { Ref } from "../snapshot/ref.ts";

/** The layers that the second ref adds to the first. Throws `UNSUPPORTED` when the first is not what the second stands on. */
export function layerDifference(refs: readonly Ref[]): Ref {
  const [lower = { layers: [] }, upper = { layers: [] }] = refs;
  const isBase = lower.layers.every((layer, at) => upper.layers[at]?.id === layer.id);
  if (!isBase)
    throw new BuildError(
      "UNSUPPORTED",
      "a diff of two trees where one does not stand on the other is not supported yet",
    );
  return { layers: upper.layers.slice(lower.layers.length) };
}
