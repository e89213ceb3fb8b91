// The order of a layer's entries: by path, part by part in byte order, so that every
// directory comes right before all it holds, and a hard link after its target.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { displayPath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Entry, SourcedEntry } from "./entry.ts";

/** Compares paths part by part: "a/b" before "a-b", as the slash ends a name. */
export function comparePaths(a: BytePath, b: BytePath): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x === SLASH ? -1 : y === SLASH ? 1 : x - y;
  }
  return a.length - b.length;
}

/**
 * Sorts as every layer is written. A hard link whose target sorts after it changes roles with it: the
 * first name of an inode is the file, and the rest link to it. Throws `INTERNAL` when a target is missing.
 */
export function sortEntries(items: readonly SourcedEntry[]): SourcedEntry[] {
  const sorted = [...items].sort((a, b) => compareEntries(a.entry, b.entry));
  const links = sorted.filter((item) => item.entry.type === "hardlink");
  if (links.length === 0) return sorted;

  const byPath = new Map(sorted.filter(isNode).map((item) => [item.entry.path, item]));
  const files = new Map(links.map((link) => [link, fileOf(link, byPath)]));
  const linked = new Set(files.values());
  const firstNames = new Map<SourcedEntry, BytePath>();
  return sorted.map((item) => {
    const file = linked.has(item) ? item : files.get(item);
    if (file === undefined) return item;
    const { path } = item.entry;
    const link = firstNames.get(file);
    if (link !== undefined) return { entry: linkEntry(file.entry, path, link) };
    firstNames.set(file, path);
    return item === file ? item : { ...file, entry: { ...file.entry, path } };
  });
}

/** The entry of another name of a file. */
export function linkEntry(file: Entry, path: BytePath, link: BytePath): Entry {
  const { digest: _content, lowerNames: _names, major: _major, minor: _minor, ...rest } = file;
  return { ...rest, path, type: "hardlink", size: 0, link };
}

const SLASH = 0x2f;

function compareEntries(a: Entry, b: Entry): number {
  const byPath = comparePaths(a.path, b.path);
  if (byPath !== 0) return byPath;
  // An opaque marker shares its directory's path and follows it.
  return Number(a.type === "opaque") - Number(b.type === "opaque");
}

function isNode(item: SourcedEntry): boolean {
  return item.entry.type !== "opaque" && item.entry.type !== "whiteout";
}

function fileOf(link: SourcedEntry, byPath: ReadonlyMap<BytePath, SourcedEntry>): SourcedEntry {
  let current = link;
  for (let steps = 0; current.entry.type === "hardlink"; steps++) {
    const target = current.entry.link ?? "";
    const next = byPath.get(target);
    if (next === undefined || steps > byPath.size) {
      const [name, missing] = [displayPath(link.entry.path), displayPath(target)];
      throw new BuildError("INTERNAL", `the hard link "${name}" has no target "${missing}" in its layer`);
    }
    current = next;
  }
  return current;
}
