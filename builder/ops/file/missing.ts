// What to say when a copy names something that is not there: what, where, and why or
// which name is near.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, displayPath, joinBytes, parentOf } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import type { Statable } from "../../layer/tree/resolve-path.ts";
import { cleanAbsolute } from "../../layer/tree/resolve-path.ts";

/** The least a tree must answer to say what is near a name. */
export interface Listable extends Statable {
  list(path: BytePath): readonly BytePath[];
  readonly origin?: FileTree["origin"];
  whyMissing?(path: BytePath): string | undefined;
}

/** The error for a source path that does not exist. */
export function missingSource(tree: Listable, path: BytePath): BuildError {
  const relative = cleanAbsolute(path).slice(1);
  const isClient = tree.origin === "client";
  const where = isClient ? "the build context" : "the image or stage that is copied from";
  return new BuildError(isClient ? "CONTEXT" : "INPUT_MISSING", `"/${displayPath(relative)}": not found in ${where}`, {
    hint: whyOrNearest(tree, relative),
  });
}

function whyOrNearest(tree: Listable, path: BytePath): string | undefined {
  for (let part = path; part !== ""; part = parentOf(part)) {
    const why = tree.whyMissing?.(part);
    if (why !== undefined) return part === path ? why : `${why}: it is in "${displayPath(part)}"`;
  }
  const near = nearestPath(tree, path);
  return near === undefined ? undefined : `did you mean "${displayPath(near)}"?`;
}

/** The path of the tree that looks most like one that is missing; undefined when none does. */
function nearestPath(tree: Listable, path: BytePath): BytePath | undefined {
  const parent = parentOf(path);
  const directory = parent === "" || tree.lstat(parent) !== undefined ? parent : nearestPath(tree, parent);
  if (directory === undefined) return undefined;
  const wanted = baseOf(path);
  if (directory !== parent && tree.lstat(joinBytes(directory, wanted)) !== undefined)
    return joinBytes(directory, wanted);
  let best: BytePath | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of tree.list(directory)) {
    const distance = name.toLowerCase() === wanted.toLowerCase() ? 0 : editDistance(wanted, name, least);
    if (distance < least) [best, least] = [name, distance];
  }
  return best === undefined ? undefined : joinBytes(directory, best);
}

/** Insertions, removals, changes and swaps of neighbours between two names; `limit` where it is at least that. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwap ? (beforeLast[j - 2] ?? 0) + 1 : limit;
      row.push(Math.min(change, swap, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    beforeLast = last;
    last = row;
  }
  return Math.min(last[b.length] ?? limit, limit);
}
