// The overlay way: an empty upper on top of the layers' directories. The mount itself is
// the executor's, in the step's own mount namespace, so nothing is ever left mounted.

import { chmodSync, chownSync, mkdirSync, rmSync, statSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { LayerPlace } from "./ports.ts";
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
      if (writable) {
        makeRoot(upper, directories.at(-1));
        mkdirSync(work, { mode: 0o700 });
      }
      // An overlay needs a lower: scratch has none.
      if (layers.length === 0) mkdirSync(empty, { mode: 0o755 });
      const lowers = layers.length === 0 ? [empty] : directories.toReversed();
      return {
        root: { kind: "overlay", stack: writable ? { lowers, upper, work } : { lowers }, readonly: !writable },
        freeze: (ignore) =>
          Promise.resolve({
            directory: upper,
            index: async (directory, diffSignal) =>
              await place.jobs.diff(
                { upper: directory, lowers: directories.toReversed(), overlayXattrs: place.overlayXattrs, ignore },
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

/** The root directory is in no layer. As containerd's, a new one has the owner of the one below it and mode 0755. */
function makeRoot(upper: string, below: string | undefined): void {
  mkdirSync(upper);
  chmodSync(upper, 0o755); // whatever the umask
  if (below === undefined) return;
  const { uid, gid } = statSync(below);
  if (uid !== process.geteuid?.() || gid !== process.getegid?.()) chownSync(upper, uid, gid);
}
