// The entries of a layer in the order of its tar, for who packs it. Of an index they are read one by one, when somebody asks
// for them: where nearly all that is packed was packed before, few of 20,000 are looked at.

import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { Entry, SourcedEntry } from "./entry.ts";
import { bodyOf, decodeEntry, encodeEntry } from "./index-file.ts";
import type { LayerDirectory, PackRequest } from "./jobs/jobs.ts";
import { layerContent, sourced } from "./layer-content.ts";
import { comparePaths, sortEntries } from "./order.ts";

/** Entries by their number. */
export interface OrderedEntries {
  readonly length: number;
  item(number: number): SourcedEntry;
  /** The content of a file was found out. */
  learn(number: number, digest: Digest): void;
  /** The lines of an index for some of them: up to, not including, `end`. Undefined while a file's content is not known. */
  lines(start: number, end: number): Uint8Array | undefined;
  /** All of them; undefined when they are those of the index that was given. */
  all(): readonly Entry[] | undefined;
}

/** What is to be packed. Throws `INTERNAL` when an index is none. */
export function orderedEntries({ content, maxMtimeNs }: PackRequest): OrderedEntries {
  const starts = "index" in content && maxMtimeNs === undefined ? lineStarts(content.index) : undefined;
  if ("index" in content && starts !== undefined) return new IndexedEntries(content, starts);
  return new ListedEntries(
    sortEntries(layerContent(content)).map((item) => withTime(item, timeOf(item.entry, maxMtimeNs))),
  );
}

/** What the index says: all of the time, since later steps compare with it. */
function timeOf({ type, mtimeNs }: Entry, maxMtimeNs: bigint | undefined): bigint {
  if (type === "whiteout" || type === "opaque") return 0n;
  return maxMtimeNs !== undefined && mtimeNs > maxMtimeNs ? maxMtimeNs : mtimeNs;
}

/** The same with another time. */
export function withTime(item: SourcedEntry, mtimeNs: bigint): SourcedEntry {
  return mtimeNs === item.entry.mtimeNs ? item : { ...item, entry: { ...item.entry, mtimeNs } };
}

class ListedEntries implements OrderedEntries {
  readonly #items: SourcedEntry[];

  constructor(items: SourcedEntry[]) {
    this.#items = items;
  }

  get length(): number {
    return this.#items.length;
  }

  item(number: number): SourcedEntry {
    const item = this.#items[number];
    if (item === undefined) throw new BuildError("INTERNAL", `a layer has no entry ${number}`);
    return item;
  }

  learn(number: number, digest: Digest): void {
    const item = this.item(number);
    if (item.entry.digest !== digest) this.#items[number] = { ...item, entry: { ...item.entry, digest } };
  }

  lines(start: number, end: number): Uint8Array | undefined {
    const entries = this.#items.slice(start, end).map(({ entry }) => entry);
    if (entries.some(({ type, digest }) => type === "file" && digest === undefined)) return undefined;
    return Buffer.from(entries.map(encodeEntry).join(""), "latin1");
  }

  all(): readonly Entry[] {
    return this.#items.map(({ entry }) => entry);
  }
}

class IndexedEntries implements OrderedEntries {
  readonly #content: LayerDirectory;
  /** Where lines begin, and where the last one ends. */
  readonly #starts: Uint32Array;

  constructor(content: LayerDirectory, starts: Uint32Array) {
    this.#content = content;
    this.#starts = starts;
  }

  get length(): number {
    return this.#starts.length - 1;
  }

  item(number: number): SourcedEntry {
    const line = Buffer.from(this.lines(number, number + 1)).toString("latin1");
    const entry = decodeEntry(line.slice(0, -1));
    if (entry === undefined) throw new BuildError("INTERNAL", "the index of a layer is damaged");
    return sourced(entry, this.#content.directory);
  }

  /** An index that is read like this says it of all files. */
  learn(): void {}

  lines(start: number, end: number): Uint8Array {
    return this.#content.index.subarray(this.#starts[start], this.#starts[end]);
  }

  all(): undefined {
    return undefined;
  }
}

/**
 * Where the lines of an index begin, if each can be taken as it is: they are in the order of a tar, which hard links could
 * change, and the content of every file is known.
 */
function lineStarts(index: Uint8Array): Uint32Array | undefined {
  const body = bodyOf(index);
  if (body === undefined) return undefined;
  const text = Buffer.from(index.buffer, index.byteOffset, index.length).toString("latin1");
  const starts = new Uint32Array(body.count + 1);
  let [at, before] = [body.start, ""];
  for (let number = 0; number < body.count; number++) {
    starts[number] = at;
    const end = text.indexOf("\n", at);
    const path = end < 0 ? undefined : plainPath(text, at, end);
    if (path === undefined || (number > 0 && comparePaths(before, path) >= 0)) return undefined;
    [at, before] = [end + 1, path];
  }
  starts[body.count] = at;
  return at === text.length ? starts : undefined;
}

/** The path of a line; undefined of a hard link, of a file of which the content is not known, and of what is rare. */
function plainPath(text: string, start: number, end: number): string | undefined {
  let at = start;
  for (let field = 0; field < DIGEST_FIELD; field++) at = text.indexOf("\t", at) + 1;
  const path = text.indexOf("\t", at) + 1;
  if (path <= start || path > end || !"fdl".includes(text[start] ?? "")) return undefined;
  if (text[start] === "f" && path === at + 1) return undefined;
  const tab = text.indexOf("\t", path);
  const name = text.slice(path, tab < 0 || tab > end ? end : tab);
  return name.includes("\\") ? undefined : name;
}

const DIGEST_FIELD = 6;
