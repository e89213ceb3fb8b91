// The overlay way: an empty upper on top of the layers' directories. The mount itself is
// the executor's, in the step's own mount namespace, so nothing is ever left mounted.

import { mkdirSync, rmSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { LayerPlace } from "./ports.ts";
import { isRoot, rootDirectory, setRoot } from "./root-directory.ts";
import type { Snapshotter } from "./snapshotter.ts";

/** Makes uppers in the place's work directory, on the layers' file system, so that a frozen upper moves by rename. */
export function overlaySnapshotter(place: LayerPlace): Snapshotter {
  return {
    kind: "overlay",
    async prepare(layers, writable, signal) {
      const directories = await Promise.all(layers.map((layer) => layer.directory(signal)));
      const base = join(place.workDirectory, randomUUID());
      const [upper, work, empty] = [join(base, "upper"), join(base, "work"), join(base, "empty")];
      mkdirSync(base, { mode: 0o700 });
      const lookOfRoot = rootDirectory(layers, writable);
      const [top] = directories.slice(-1);
      const lowers = directories.toReversed();
      if (writable) {
        mkdirSync(upper);
        setRoot(upper, lookOfRoot);
        mkdirSync(work, { mode: 0o700 });
      }
      // An overlay needs a lower, and scratch has none; of a read-only one the topmost shows what the root looks like.
      if (top === undefined || (!writable && !isRoot(top, lookOfRoot))) {
        mkdirSync(empty);
        setRoot(empty, lookOfRoot);
        lowers.unshift(empty);
      }
      return {
        root: { kind: "overlay", stack: writable ? { lowers, upper, work } : { lowers }, readonly: !writable },
        freeze: (skipped) =>
          Promise.resolve({
            directory: upper,
            index: async (directory, diffSignal) =>
              await place.jobs.diff(
                { upper: directory, lowers: directories.toReversed(), overlayXattrs: place.overlayXattrs, ...skipped },
                diffSignal,
              ),
          }),
        [Symbol.asyncDispose]: () => {
          rmSync(base, { recursive: true, force: true });
          return Promise.resolve();
        },
      };
    },
  };
}
