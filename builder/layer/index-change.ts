// What must be done to the files of one layer so that they are those of another, by what the indexes say: after one change
// among 20,000 files that is little, and the files themselves need not be looked at.

import type { BytePath } from "../core/byte-path.ts";
import { parentOf } from "../core/byte-path.ts";
import type { Entry, SourcedEntry } from "./entry.ts";
import { decodeEntry, encodeEntry, indexLines } from "./index-file.ts";
import { comparePaths, sortEntries } from "./order.ts";

/** A change of a layer's files; to be done in this order. */
export interface IndexChange {
  /** Deepest first. */
  readonly removed: readonly Entry[];
  /** Directories that stay and are written into, or look otherwise: as they are to be afterwards. */
  readonly directories: readonly Entry[];
  /** In the order of a layer. */
  readonly added: readonly SourcedEntry[];
  /** All entries of the layer that comes out, in order. */
  readonly entries: readonly SourcedEntry[];
}

/**
 * The change from the layer with an index to one of some entries. Undefined where it is more than `mostEntries`, or of a
 * kind that is easier made anew: links between files, opaque directories, attributes of directories.
 */
export function indexChange(
  index: Uint8Array,
  entries: readonly SourcedEntry[],
  mostEntries: number,
): IndexChange | undefined {
  const sorted = sortEntries(entries);
  const gone = new Set(indexLines(index));
  const others: SourcedEntry[] = [];
  const linked = new Set<BytePath>();
  for (const item of sorted) {
    const { entry } = item;
    const isSame = isKnown(entry) && gone.delete(encodeEntry(entry));
    if (!isSame && others.push(item) > mostEntries) return undefined;
    if (entry.type === "hardlink") linked.add(entry.link ?? "");
  }
  if (gone.size > mostEntries) return undefined;
  const before = new Map<BytePath, Entry>();
  for (const line of gone) {
    const entry = decodeEntry(line.slice(0, -1));
    if (entry === undefined) return undefined;
    before.set(entry.path, entry);
  }
  const touched = [...before.values(), ...others.map(({ entry }) => entry)];
  if (touched.some((entry) => isIntricate(entry) || linked.has(entry.path))) return undefined;
  const isKept = ({ path, type }: Entry): boolean => type === "dir" && before.get(path)?.type === "dir";
  const added = others.filter(({ entry }) => !isKept(entry));
  const kept = new Set(others.flatMap(({ entry }) => (isKept(entry) ? [entry.path] : [])));
  const removed = [...before.values()].filter(({ path }) => !kept.has(path));
  const directories = directoriesBetween(sorted, removed, added, kept);
  if (directories === undefined) return undefined;
  return { removed: removed.toSorted((a, b) => comparePaths(b.path, a.path)), directories, added, entries: sorted };
}

/** Only a file whose content is known can be the same. */
function isKnown({ type, digest }: Entry): boolean {
  return type !== "file" || digest !== undefined;
}

function isIntricate({ path, type, xattrs }: Entry): boolean {
  return type === "hardlink" || type === "opaque" || path === "" || (type === "dir" && xattrs !== undefined);
}

/** Those that stay and look otherwise (`kept`) or lose or get a name; undefined where one of them is not listed. */
function directoriesBetween(
  sorted: readonly SourcedEntry[],
  removed: readonly Entry[],
  added: readonly SourcedEntry[],
  kept: ReadonlySet<BytePath>,
): Entry[] | undefined {
  const [isGone, isNew] = [new Set(removed.map(({ path }) => path)), new Set(added.map(({ entry }) => entry.path))];
  const wanted = new Set([...isGone, ...isNew].map(parentOf));
  const found: Entry[] = [];
  for (const { entry } of sorted) {
    const { path } = entry;
    // Nothing stays in a directory that goes.
    if (!isNew.has(path) && isGone.has(parentOf(path))) return undefined;
    if (wanted.delete(path) ? !isNew.has(path) : kept.has(path)) found.push(entry);
  }
  return [...wanted].every((path) => path === "" || isGone.has(path)) ? found : undefined;
}
