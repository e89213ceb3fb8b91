// What must be done to the files of one layer so that they are those of another, by what the indexes say: after one change
// among 20,000 files that is little, and the files themselves need not be looked at.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { parentOf } from "../core/bytes/byte-path.ts";
import type { Entry, SourcedEntry } from "./entry.ts";
import { bodyOf, decodeEntry, encodeEntry } from "./index-file.ts";
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
  /** What an index of them is made of, in order: bytes of lines that stay, and entries of which the line is another one. */
  readonly parts: readonly (Uint8Array | Entry)[];
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
  const before = new Map<BytePath, Entry>();
  const others: SourcedEntry[] = [];
  const linked = new Set<BytePath>();
  const parts: (Uint8Array | Entry)[] = [];
  const old = new OldLines(index);
  for (const item of sorted) {
    const { entry } = item;
    // Most lines are of no more use at once: it costs less to throw them away than to keep them.
    const line = isKnown(entry) ? encodeEntry(entry) : undefined;
    if (entry.type === "hardlink") linked.add(entry.link ?? "");
    if (line !== undefined && old.skip(line)) continue;
    parts.push(old.skipped());
    for (const gone of old.takeBefore(entry.path)) before.set(gone.path, gone);
    if (line !== undefined && old.skip(line)) continue;
    others.push(item);
    parts.push(entry);
    if (others.length > mostEntries || before.size > mostEntries) return undefined;
  }
  parts.push(old.skipped());
  for (const gone of old.takeBefore(undefined)) before.set(gone.path, gone);
  if (before.size > mostEntries || old.isDamaged) return undefined;
  const touched = [...before.values(), ...others.map(({ entry }) => entry)];
  if (touched.some((entry) => isIntricate(entry) || linked.has(entry.path))) return undefined;
  const isKept = ({ path, type }: Entry): boolean => type === "dir" && before.get(path)?.type === "dir";
  const added = others.filter(({ entry }) => !isKept(entry));
  const kept = new Set(others.flatMap(({ entry }) => (isKept(entry) ? [entry.path] : [])));
  const removed = [...before.values()].filter(({ path }) => !kept.has(path));
  const directories = directoriesBetween(sorted, removed, added, kept);
  if (directories === undefined) return undefined;
  return {
    removed: removed.toSorted((a, b) => comparePaths(b.path, a.path)),
    directories,
    added,
    entries: sorted,
    parts,
  };
}

/** The lines of an index, of which those are read that are not as they should be. One in another order changes nothing but how much is. */
class OldLines {
  readonly #bytes: Uint8Array;
  readonly #text: string;
  #at: number;
  /** Where the lines begin that were skipped last. */
  #from: number;
  isDamaged = false;

  constructor(index: Uint8Array) {
    this.#bytes = index;
    this.#text = Buffer.from(index.buffer, index.byteOffset, index.length).toString("latin1");
    this.#at = bodyOf(index)?.start ?? this.#text.length;
    this.#from = this.#at;
  }

  /** Goes past the next line if it is this one. */
  skip(line: string): boolean {
    if (!this.#text.startsWith(line, this.#at)) return false;
    this.#at += line.length;
    return true;
  }

  /** The lines that were skipped since the last call or the last that was taken. */
  skipped(): Uint8Array {
    const bytes = this.#bytes.subarray(this.#from, this.#at);
    this.#from = this.#at;
    return bytes;
  }

  /** Goes past what has a path before the given one; without one, past all that is left. */
  *takeBefore(path: BytePath | undefined): Generator<Entry> {
    while (this.#at < this.#text.length) {
      const end = this.#text.indexOf("\n", this.#at);
      const entry = decodeEntry(this.#text.slice(this.#at, end < 0 ? undefined : end));
      this.isDamaged ||= entry === undefined;
      if (entry === undefined || (path !== undefined && comparePaths(entry.path, path) >= 0)) return;
      this.#at = this.#from = end + 1;
      yield entry;
    }
  }
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
