// The image's volumes where its rootfs is read-only: what a program is meant to write to can be written to, and begins
// as what the image has there. Like all that a run writes it is thrown away.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bytePath } from "../core/bytes/byte-path.ts";
import type { MountSpec } from "../executor/executor.ts";
import { resolvePath } from "../layer/tree/resolve-path.ts";
import type { ReadableTree } from "../layer/tree/stack-tree.ts";
import type { Prepared } from "../snapshot/snapshotter.ts";

export interface VolumePlace {
  readonly prepared: Prepared;
  /** The rootfs, to look into. */
  readonly accounts: ReadableTree;
  /** For the volumes' own files, on the layers' file system. */
  readonly scratch: string;
}

/** Writable mounts over these paths of the rootfs. */
export function volumeMounts(paths: readonly string[], { prepared, accounts, scratch }: VolumePlace): MountSpec[] {
  return paths.map((target, number): MountSpec => {
    const { path, entry } = resolvePath(accounts, bytePath(target), { followLast: true });
    if (entry?.type !== "dir") return { kind: "tmpfs", target, mode: 0o755 };
    const { root } = prepared;
    // The mount is the tree once more, and only the rootfs itself is made read-only.
    if (root.kind === "directory")
      return { kind: "bind", source: join(root.path, Buffer.from(path, "latin1").toString()), target, readonly: false };
    const base = join(scratch, `volume-${number}`);
    const [upper, work] = [join(base, "upper"), join(base, "work")];
    for (const directory of [base, upper, work]) mkdirSync(directory, { mode: 0o755 });
    const stack = { lowers: root.stack.lowers, upper, work };
    return { kind: "overlay", stack, subPath: Buffer.from(path, "latin1").toString(), target, readonly: false };
  });
}
