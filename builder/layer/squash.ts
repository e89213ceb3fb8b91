// Several layers as one: what the merged tree has that the layers below do not show, and
// whiteouts for what they show and it has no more.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { joinBytes } from "../core/bytes/byte-path.ts";
import { whiteoutOf } from "./tree/disk-entry.ts";
import type { Entry } from "./entry.ts";
import { comparePaths, linkEntry } from "./order.ts";
import type { RootfsView } from "./view/view.ts";

/**
 * The entries of one layer that makes `whole` of `below`, in tar order. Both views number their layers from the same
 * bottom, so that what is in both is the same inode. Of several names of a file all but the first are hard links; one that
 * only shares its file with a lower layer becomes a file of its own. The root itself is listed where a merged layer lists it.
 */
export function squashedEntries(whole: RootfsView, below: RootfsView): readonly Entry[] {
  const found = new Map<BytePath, Entry>();
  const firstNames = new Map<string, BytePath>();
  const visit = (directory: BytePath): void => {
    for (const name of whole.list(directory)) {
      const path = joinBytes(directory, name);
      const entry = whole.lstat(path);
      if (entry === undefined) continue;
      const inode = whole.inode(path);
      if (inode !== below.inode(path)) found.set(path, linked(entry, path, inode, firstNames));
      if (entry.type === "dir") visit(path);
    }
  };
  const root = whole.listedRoot();
  if (root !== undefined && root.layer !== below.listedRoot()?.layer) found.set("", root.entry);
  visit("");
  for (const path of gone(whole, below)) found.set(path, whiteoutOf(path));
  return [...found.values()].sort((a, b) => comparePaths(a.path, b.path));
}

/** The entry of a name; the names of one file come in the order in which `list` gives them, which is the tar's. */
function linked(entry: Entry, path: BytePath, inode: string, firstNames: Map<string, BytePath>): Entry {
  if (entry.type !== "file") return entry;
  const first = firstNames.get(inode);
  if (first !== undefined) return linkEntry(entry, path, first);
  firstNames.set(inode, path);
  const { lowerNames: _names, ...own } = entry;
  return own;
}

/** The topmost paths of `below` that are no more; what was below something that is no directory now is hidden by it. */
function gone(whole: RootfsView, below: RootfsView): readonly BytePath[] {
  const paths: BytePath[] = [];
  const visit = (directory: BytePath): void => {
    for (const name of below.list(directory)) {
      const path = joinBytes(directory, name);
      const now = whole.lstat(path);
      if (now === undefined) paths.push(path);
      else if (now.type === "dir") visit(path);
    }
  };
  visit("");
  return paths;
}
