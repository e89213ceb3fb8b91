// A tree of any kind as what a layer is made of.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { joinBytes } from "../../core/bytes/byte-path.ts";
import type { Entry, SourcedEntry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { comparePaths, linkEntry } from "../../layer/order.ts";

/** A whole tree as the entries of one layer. */
export async function wholeTree(
  tree: FileTree,
  signal: AbortSignal,
): Promise<{ readonly entries: readonly SourcedEntry[] }> {
  const found: Entry[] = [];
  const collect = (directory: BytePath): void => {
    for (const name of tree.list(directory)) {
      const path = joinBytes(directory, name);
      const entry = tree.lstat(path);
      if (entry === undefined) continue;
      found.push(entry);
      if (entry.type === "dir") collect(path);
    }
  };
  collect("");
  found.sort((a, b) => comparePaths(a.path, b.path));
  const first = new Map<string, BytePath>();
  const entries = found.map((entry) => {
    if (entry.type !== "file") return entry;
    const inode = tree.inode(entry.path);
    const target = first.get(inode);
    if (target !== undefined) return linkEntry(entry, entry.path, target);
    first.set(inode, entry.path);
    return entry;
  });
  const sources = await tree.sources([...first.values()], signal);
  return {
    entries: entries.map((entry) => {
      const source = entry.type === "file" ? sources.get(entry.path) : undefined;
      return source === undefined ? { entry } : { entry, source };
    }),
  };
}
