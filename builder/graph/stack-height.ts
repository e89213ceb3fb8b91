// How many layers a graph would lay on each other. No kernel mounts thousands, and each of them is looked through for
// every step above it: a graph of a few bytes (a merge of a merge with itself, and so on) must not take a machine's memory.

import { BuildError, withLocation } from "../core/errors.ts";
import { standsOn } from "./op.ts";
import type { Vertex } from "./vertex.ts";
import { topological } from "./vertex.ts";

/** BuildKit has no such limit; docker's is 125, that of an overlay 500. */
const MOST_LAYERS = 2000;

/** Refuses targets that stand on too many steps' layers. Throws `UNSUPPORTED` with the place of the first step too many. */
export function checkStackHeight(targets: readonly Vertex[]): void {
  const heights = new Map<string, number>();
  for (const { digest, op, inputs, options } of topological(targets)) {
    const below = standsOn(op, inputs.length).reduce(
      (sum, input) => sum + (heights.get(inputs[input]?.digest ?? "") ?? 0),
      0,
    );
    // An image has a few dozen at most, so it counts as one.
    const height = below + (op.kind === "merge" ? 0 : 1);
    if (height > MOST_LAYERS) {
      const error = new BuildError("UNSUPPORTED", `more than ${MOST_LAYERS} layers would lie on each other`, {
        hint: "do more in each step, or copy the result of some of them into another stage",
      });
      throw options.location === undefined ? error : withLocation(error, options.location);
    }
    heights.set(digest, height);
  }
}
