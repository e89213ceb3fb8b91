// Which directories an overlay of some layers would merge. It tells no number of links of such a one (1 stands for that), so a
// copy of the layers has to know them if a step is to see what it sees on an overlay.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { parentOf } from "../core/bytes/byte-path.ts";
import type { Entry } from "../layer/entry.ts";

/** The directories that several of the layers (bottom first) have, also those that a layer only has something below; never the root. */
export function mergedDirectories(layers: readonly (readonly Entry[])[]): BytePath[] {
  /** Whether it is merged, of each directory. */
  const directories = new Map<BytePath, boolean>();
  for (const entries of layers) {
    hide(directories, entries);
    for (const path of directoriesOf(entries)) directories.set(path, directories.has(path));
  }
  return [...directories].filter(([, isMerged]) => isMerged).map(([path]) => path);
}

/** Forgets what a layer has something else in the place of. */
function hide(directories: Map<BytePath, boolean>, entries: readonly Entry[]): void {
  const hidden = new Set<BytePath>();
  for (const { path, type } of entries)
    if (type === "opaque" || (type !== "dir" && directories.has(path))) hidden.add(path);
  if (hidden.size === 0) return;
  const isHidden = (path: BytePath): boolean => path !== "" && (hidden.has(path) || isHidden(parentOf(path)));
  for (const path of directories.keys()) if (isHidden(path)) directories.delete(path);
}

function directoriesOf(entries: readonly Entry[]): Set<BytePath> {
  const found = new Set<BytePath>();
  for (const { path, type } of entries) {
    let directory = type === "dir" || type === "opaque" ? path : parentOf(path);
    for (; directory !== "" && !found.has(directory); directory = parentOf(directory)) found.add(directory);
  }
  return found;
}
