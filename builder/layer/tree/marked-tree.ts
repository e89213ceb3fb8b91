// The tree that a stack of layers makes up to one of them, and what that one does to it.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { compareBytes } from "../../core/bytes/byte-path.ts";
import type { Entry } from "../entry.ts";
import type { IndexNode } from "../view/view-index.ts";
import { ViewIndex } from "../view/view-index.ts";
import { stackedLayer } from "../view/view-layer.ts";

/** What a layer does to a path: nothing, or it makes, replaces or removes it. */
export type Mark = "same" | "added" | "changed" | "deleted";

export interface MarkedNode {
  /** The last part of its path; "" is the root. */
  readonly name: BytePath;
  readonly entry: Entry;
  readonly mark: Mark;
  /** Of files: its own; of directories: of all that is in them and not deleted. */
  readonly bytes: number;
  /** Whether something in it, or it itself, is not the same. */
  readonly hasChanges: boolean;
  /** Of directories: sorted by name. */
  readonly children: readonly MarkedNode[] | undefined;
}

/** The merged tree of the layers from the bottom up to number `layer`, with that one's marks; what it removes stays, marked. */
export function markedTree(layers: readonly (readonly Entry[])[], layer: number): MarkedNode {
  const stacked = layers.slice(0, layer + 1).map(stackedLayer);
  const before = new ViewIndex().above(stacked.slice(0, layer));
  const after = before.above(stacked.slice(layer));
  return markNode("", before.root, after.root, layer);
}

function markNode(
  name: BytePath,
  before: IndexNode | undefined,
  after: IndexNode | undefined,
  layer: number,
): MarkedNode {
  const shown = after ?? before;
  const entry = shown?.entry ?? NOTHING;
  const mark = markOf(before, after, layer);
  if (shown?.children === undefined) {
    const bytes = mark === "deleted" ? 0 : entry.size;
    return { name, entry, mark, bytes, hasChanges: mark !== "same", children: undefined };
  }
  // Of a directory in whose place there is something else now, what was in it is gone with it.
  const [old, now] = [before?.children, after === undefined ? undefined : after.children];
  const names = [...new Set([...(old?.names() ?? []), ...(now?.names() ?? [])])].sort(compareBytes);
  const children = names.map((child) => markNode(child, old?.get(child), now?.get(child), layer));
  const bytes = children.reduce((sum, child) => sum + child.bytes, 0);
  const hasChanges = mark !== "same" || children.some((child) => child.hasChanges);
  return { name, entry, mark, bytes, hasChanges, children };
}

function markOf(before: IndexNode | undefined, after: IndexNode | undefined, layer: number): Mark {
  if (after === undefined) return "deleted";
  if (before === undefined) return "added";
  if (after.layer?.number !== layer) return "same";
  return after.children !== undefined && before.children !== undefined && sameAttributes(before.entry, after.entry)
    ? "same"
    : "changed";
}

/** A layer lists the directories around what it holds: that alone is no change. */
function sameAttributes(a: Entry, b: Entry): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

const NOTHING: Entry = { path: "", type: "dir", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
