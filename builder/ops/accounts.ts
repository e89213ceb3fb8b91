// Where the users and groups of a rootfs are read before a process starts in it.

import type { ReadableTree } from "../layer/tree/stack-tree.ts";
import { StackTree } from "../layer/tree/stack-tree.ts";
import type { LayerPlace } from "../snapshot/ports.ts";
import type { PreparedRoot } from "../snapshot/snapshotter.ts";
import type { OpResult } from "./result.ts";

/** The rootfs, as it was prepared from a result: of an overlay the directories, which are there before the layers' indexes are. */
export async function accountsOf(
  root: PreparedRoot,
  result: OpResult,
  place: Pick<LayerPlace, "overlayXattrs">,
  signal: AbortSignal,
): Promise<ReadableTree> {
  return root.kind === "overlay" ? new StackTree(root.stack.lowers, place.overlayXattrs) : await result.tree(signal);
}
