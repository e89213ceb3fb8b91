// What the layers of a stack weigh, and how much of that nobody sees any more because a later layer replaced or
// removed it.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { Entry } from "../entry.ts";
import type { IndexNode } from "./view-index.ts";
import { ViewIndex } from "./view-index.ts";
import { stackedLayer } from "./view-layer.ts";

export interface LayerUsage {
  /** Regular files, each inode once. */
  readonly files: number;
  /** Bytes of files and of the targets of symlinks, each inode once: what `docker history` calls the size. */
  readonly bytes: number;
  /** The part of `bytes` that is not in the merged tree. */
  readonly wastedBytes: number;
  /** Paths of lower layers that it takes away. */
  readonly removed: number;
}

/** A path that is in several layers, or was removed again. */
export interface WastedPath {
  readonly path: BytePath;
  readonly bytes: number;
  /** In how many layers the path has bytes that nobody sees. */
  readonly copies: number;
}

export interface StackUsage {
  /** Bottom first. */
  readonly layers: readonly LayerUsage[];
  readonly bytes: number;
  readonly wastedBytes: number;
  /** The most wasteful first, then by path. */
  readonly wasted: readonly WastedPath[];
}

/** Weighs layers, bottom first. */
export function weighLayers(layers: readonly (readonly Entry[])[]): StackUsage {
  const live = liveEntries(layers);
  const wasted = new Map<BytePath, { bytes: number; copies: number }>();
  const usages = layers.map((entries): LayerUsage => {
    let [files, bytes, wastedBytes, removed] = [0, 0, 0, 0];
    for (const entry of entries) {
      if (entry.type === "whiteout" || entry.type === "opaque") removed++;
      if (entry.type === "file") files++;
      const weight = weightOf(entry);
      if (weight === 0) continue;
      bytes += weight;
      if (live.has(entry)) continue;
      wastedBytes += weight;
      const known = wasted.get(entry.path) ?? { bytes: 0, copies: 0 };
      wasted.set(entry.path, { bytes: known.bytes + weight, copies: known.copies + 1 });
    }
    return { files, bytes, wastedBytes, removed };
  });
  const sum = (of: (usage: LayerUsage) => number): number => usages.reduce((total, usage) => total + of(usage), 0);
  return {
    layers: usages,
    bytes: sum(({ bytes }) => bytes),
    wastedBytes: sum(({ wastedBytes }) => wastedBytes),
    wasted: [...wasted]
      .map(([path, { bytes, copies }]) => ({ path, bytes, copies }))
      .sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1)),
  };
}

/** Bytes of one layer, as in `LayerUsage`. */
export function weighEntries(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + weightOf(entry), 0);
}

/** Bytes that an entry adds to its layer. */
function weightOf(entry: Entry): number {
  if (entry.type === "file") return entry.size;
  return entry.type === "symlink" ? (entry.link ?? "").length : 0;
}

/** The entries that some name of the merged tree still leads to. */
function liveEntries(layers: readonly (readonly Entry[])[]): ReadonlySet<Entry> {
  const live = new Set<Entry>();
  const visit = (node: IndexNode): void => {
    live.add(node.entry);
    node.children?.forEach(visit);
  };
  visit(new ViewIndex().above(layers.map(stackedLayer)).root);
  return live;
}
