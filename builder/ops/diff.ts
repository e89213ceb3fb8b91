// What one tree has on top of another: its own layers, where the other is its base; else one layer that makes it of the
// other.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { joinBytes, parentOf } from "../core/bytes/byte-path.ts";
import type { Vertex } from "../graph/vertex.ts";
import type { Entry, SourcedEntry } from "../layer/entry.ts";
import type { FileTree } from "../layer/tree/file-tree.ts";
import { comparePaths, linkEntry } from "../layer/order.ts";
import type { Ref } from "../snapshot/ref.ts";
import type { OpContext } from "./engine-parts.ts";
import { sameMetadata } from "./file/changes.ts";
import type { OpResult } from "./result.ts";

/** The layers that make the second of two results of the first. */
export async function layerDifference(
  context: Pick<OpContext, "layers" | "blobOptions" | "now" | "wantsDirectory">,
  vertex: Vertex,
  [lower, upper]: readonly OpResult[],
  signal: AbortSignal,
): Promise<Ref> {
  const [{ layers: below }, { layers: above }] = await Promise.all([
    lower?.ref(signal) ?? NOTHING,
    upper?.ref(signal) ?? NOTHING,
  ]);
  if (lower === undefined || upper === undefined) return { layers: above };
  if (below.every((layer, at) => above[at]?.id === layer.id)) return { layers: above.slice(below.length) };
  const tree = await upper.tree(signal);
  const entries = await difference(await lower.tree(signal), tree, signal);
  const layer = await context.layers.fromEntries(
    entries,
    {
      directory: context.wantsDirectory(vertex.digest),
      hardlinkSources: tree.immutable,
      blob: context.blobOptions,
      createdMs: context.now(),
    },
    signal,
  );
  return { layers: [layer] };
}

const NOTHING: Ref = { layers: [] };

/** What makes `upper` of `lower`, sorted as a layer is: what is new or different, whiteouts, and the directories above them. */
async function difference(lower: FileTree, upper: FileTree, signal: AbortSignal): Promise<readonly SourcedEntry[]> {
  const walk = new DifferenceWalk(lower, upper);
  walk.directory("");
  const suspects = walk.suspects.map(({ path }) => path);
  const [before, after] = [await lower.digests(suspects, signal), await upper.digests(suspects, signal)];
  for (const entry of walk.suspects)
    if (before.get(entry.path) !== after.get(entry.path)) walk.changed.set(entry.path, entry);
  const sorted = withParents(walk.changed, upper).sort((a, b) => comparePaths(a.path, b.path));
  const first = new Map<string, BytePath>();
  const linked = sorted.map((entry) => {
    if (entry.type !== "file") return entry;
    const inode = upper.inode(entry.path);
    const target = first.get(inode);
    if (target !== undefined) return linkEntry(entry, entry.path, target);
    first.set(inode, entry.path);
    return entry;
  });
  const sources = await upper.sources([...first.values()], signal);
  return linked.map((entry) => {
    const source = entry.type === "file" ? sources.get(entry.path) : undefined;
    return source === undefined ? { entry } : { entry, source };
  });
}

class DifferenceWalk {
  readonly changed = new Map<BytePath, Entry>();
  /** Files that look the same on both sides, so that only their bytes can tell. */
  readonly suspects: Entry[] = [];
  readonly #lower: FileTree;
  readonly #upper: FileTree;

  constructor(lower: FileTree, upper: FileTree) {
    this.#lower = lower;
    this.#upper = upper;
  }

  directory(path: BytePath): void {
    for (const name of new Set([...this.#lower.list(path), ...this.#upper.list(path)])) {
      const child = joinBytes(path, name);
      const [before, after] = [this.#lower.lstat(child), this.#upper.lstat(child)];
      if (after === undefined) this.changed.set(child, { ...GONE, path: child });
      else if (before === undefined || !sameMetadata(after, before)) this.changed.set(child, after);
      else if (after.type === "file") this.suspects.push(after);
      if (after?.type === "dir") this.directory(child);
    }
  }
}

const GONE = { type: "whiteout", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n } as const;

function withParents(changed: ReadonlyMap<BytePath, Entry>, tree: FileTree): Entry[] {
  const all = new Map(changed);
  for (const path of changed.keys())
    for (let above = parentOf(path); above !== "" && !all.has(above); above = parentOf(above)) {
      const entry = tree.lstat(above);
      if (entry !== undefined) all.set(above, entry);
    }
  return [...all.values()];
}
