// Walking through the layers of an image: where one stands, and what a key does. Pure; layers-screen.ts paints it,
// layers-terminal.ts gives it a terminal.

import type { ImageUsage, MarkedNode } from "../../../builder/layer-usage.ts";
import { treeUpTo } from "../../../builder/layer-usage.ts";

export interface Walk {
  readonly name: string;
  readonly usage: ImageUsage;
  /** Which pane the keys move in. */
  readonly focus: "layers" | "files";
  /** Counted from 0 at the bottom. */
  readonly layer: number;
  /** Only what the layer changes, or all files up to it. */
  readonly shows: "changes" | "all";
  /** The tree of `layer`. */
  readonly tree: MarkedNode;
  /** Directories whose opening differs from what `shows` does by itself: open with changes, closed with all. */
  readonly toggled: ReadonlySet<string>;
  /** The chosen row of the files. */
  readonly row: number;
}

/** A shown line of the tree. */
export interface TreeRow {
  readonly node: MarkedNode;
  /** Names from the root, joined: the key of `toggled`. */
  readonly path: string;
  readonly depth: number;
  /** Of directories. */
  readonly isOpen: boolean;
}

export type Key =
  "up" | "down" | "left" | "right" | "page-up" | "page-down" | "home" | "end" | "tab" | "toggle" | "show";

/** At the beginning: the topmost layer, what it changes. */
export function startWalk(name: string, usage: ImageUsage): Walk {
  const layer = Math.max(0, usage.layers.length - 1);
  const tree = treeUpTo(usage, layer);
  return { name, usage, focus: "layers", layer, shows: "changes", tree, toggled: new Set(), row: 0 };
}

/** Where a key leads; `page` is the height of a pane in rows. */
export function press(walk: Walk, key: Key, page: number): Walk {
  switch (key) {
    case "tab":
      return { ...walk, focus: walk.focus === "layers" ? "files" : "layers" };
    case "show":
      return { ...walk, shows: walk.shows === "changes" ? "all" : "changes", toggled: new Set(), row: 0 };
    case "toggle":
      return walk.focus === "layers" ? { ...walk, focus: "files" } : openOrClose(walk, "toggle");
    case "right":
      return walk.focus === "layers" ? { ...walk, focus: "files" } : openOrClose(walk, "open");
    case "left":
      return walk.focus === "layers" ? walk : leave(walk);
    case "up":
      return move(walk, -1);
    case "down":
      return move(walk, 1);
    case "page-up":
      return move(walk, -page);
    case "page-down":
      return move(walk, page);
    case "home":
      return move(walk, -Infinity);
    case "end":
      return move(walk, Infinity);
  }
}

/** The lines of the tree that are shown, in order. */
export function treeRows({ tree, shows, toggled }: Walk): TreeRow[] {
  const rows: TreeRow[] = [];
  const visit = (node: MarkedNode, path: string, depth: number): void => {
    for (const child of node.children ?? []) {
      if (shows === "changes" && !child.hasChanges) continue;
      const childPath = `${path}/${child.name}`;
      const isOpen = child.children !== undefined && toggled.has(childPath) !== (shows === "changes");
      rows.push({ node: child, path: childPath, depth, isOpen });
      if (isOpen) visit(child, childPath, depth + 1);
    }
  };
  visit(tree, "", 0);
  return rows;
}

function move(walk: Walk, by: number): Walk {
  if (walk.focus === "files") {
    const last = Math.max(0, treeRows(walk).length - 1);
    return { ...walk, row: clamp(walk.row + by, last) };
  }
  // The newest layer stands at the bottom of the list, as it lies on top of the others in the Dockerfile.
  const layer = clamp(walk.layer + by, Math.max(0, walk.usage.layers.length - 1));
  if (layer === walk.layer) return walk;
  return { ...walk, layer, tree: treeUpTo(walk.usage, layer), toggled: new Set(), row: 0 };
}

function openOrClose(walk: Walk, how: "open" | "close" | "toggle"): Walk {
  const row = treeRows(walk)[walk.row];
  if (row?.node.children === undefined) return walk;
  if ((how === "open" && row.isOpen) || (how === "close" && !row.isOpen)) return walk;
  const toggled = new Set(walk.toggled);
  if (!toggled.delete(row.path)) toggled.add(row.path);
  return { ...walk, toggled };
}

/** Closes an open directory; from anything else to the directory around it, and from the outermost to the layers. */
function leave(walk: Walk): Walk {
  const rows = treeRows(walk);
  const row = rows[walk.row];
  if (row?.isOpen === true) return openOrClose(walk, "close");
  if (row === undefined || row.depth === 0) return { ...walk, focus: "layers" };
  return { ...walk, row: rows.findLastIndex(({ depth }, at) => at < walk.row && depth < row.depth) };
}

function clamp(value: number, last: number): number {
  return Math.min(last, Math.max(0, value));
}
