// What the kernel says of everything below a directory, in one go: names, and 56 bytes a name instead of an object. That is
// enough to know whether anything can have changed since another build, and every later question about a file is answered
// from it. Who changes files of a folder that is nobody else's keeps its scan true.

import { hash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants, lstatSync, readdirSync } from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { baseOf, fsPath, joinBytes, parentOf } from "../core/bytes/byte-path.ts";
import { isSystemError } from "../core/errors.ts";
import type { FileLook, FileStat } from "./file-stat.ts";
import type { Settling } from "./fingerprint.ts";
import { FINGERPRINT_WORDS, settledNs, writeFingerprint } from "./fingerprint.ts";

/** A fingerprint, then mode (file type included), links and device number. Of a directory only device and mode are kept. */
const WORDS = FINGERPRINT_WORDS + 2;
const [SIZE, MTIME, CTIME, MODE, RDEV] = [2, 3, 4, FINGERPRINT_WORDS, FINGERPRINT_WORDS + 1];
const LINKS_SHIFT = 32n;

/** A directory of a scan. */
export interface ScannedDirectory {
  /** In byte order. */
  readonly names: readonly BytePath[];
  readonly mtimeNs: bigint;
  /** Number of its first name among the records. */
  readonly first: number;
}

/** Everything below a directory at one time. */
export class TreeScan {
  readonly #directories: Map<BytePath, ScannedDirectory>;
  readonly #words: BigInt64Array;
  readonly #bytes: Buffer;
  #state: string | undefined;

  /** `directories` have each one before those in it, and `words` their names' records in that order. */
  constructor(directories: Map<BytePath, ScannedDirectory>, words: BigInt64Array) {
    this.#directories = directories;
    this.#words = words;
    this.#bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  }

  /** How many names there are. */
  get count(): number {
    return this.#words.length / WORDS;
  }

  /** A directory that was looked into, by its path in the tree. */
  directory(path: BytePath): ScannedDirectory | undefined {
    return this.#directories.get(path);
  }

  /** The record of a path; undefined where there is none. */
  find(path: BytePath): number | undefined {
    const directory = this.#directories.get(parentOf(path));
    if (directory === undefined) return undefined;
    const { names, first } = directory;
    const name = baseOf(path);
    let [low, high] = [0, names.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((names[middle] ?? "") < name) low = middle + 1;
      else high = middle;
    }
    return names[low] === name ? first + low : undefined;
  }

  /** What a record says of its file; of a directory size and time are 0. */
  look(record: number): FileLook {
    const at = record * WORDS;
    const modeAndLinks = this.#words[at + MODE] ?? 0n;
    return {
      mode: Number(modeAndLinks & 0xffff_ffffn),
      size: Number(this.#words[at + SIZE] ?? 0n),
      mtimeNs: this.#words[at + MTIME] ?? 0n,
      links: Number(modeAndLinks >> LINKS_SHIFT),
    };
  }

  /** What a name of a directory is; `path` is where that is. Undefined of a directory that was not looked into. */
  stat({ first }: ScannedDirectory, number: number, path: BytePath): FileStat | undefined {
    const { mode, size, mtimeNs, links } = this.look(first + number);
    const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR;
    const directory = isDirectory ? this.#directories.get(path) : undefined;
    if (isDirectory && directory === undefined) return undefined;
    const at = (first + number) * WORDS;
    return {
      mode,
      size,
      mtimeNs: directory?.mtimeNs ?? mtimeNs,
      rdev: this.#words[at + RDEV] ?? 0n,
      inode: links > 1 ? `${this.#words[at]}:${this.#words[at + 1]}` : undefined,
      fingerprint: this.#bytes.toString("latin1", at * 8, (at + FINGERPRINT_WORDS) * 8),
    };
  }

  /** Says what a file is now that whoever keeps the folder has changed it. */
  changeFile(record: number, stat: BigIntStats): void {
    writeRecord(stat, this.#words, record * WORDS);
    this.#state = undefined;
  }

  /** Says what a directory that was looked into is now; `mode` is without the type's bits. */
  changeDirectory(path: BytePath, mode: number, mtimeNs: bigint): void {
    const record = this.find(path);
    const directory = this.#directories.get(path);
    if (record === undefined || directory === undefined) return;
    this.#directories.set(path, { ...directory, mtimeNs });
    this.#words[record * WORDS + MODE] = BigInt(constants.S_IFDIR | mode);
    this.#state = undefined;
  }

  /** The scan of a directory in it: undefined where that was not looked into. */
  below(top: BytePath): TreeScan | undefined {
    if (top === "") return this;
    const { first } = this.#directories.get(top) ?? {};
    if (first === undefined) return undefined;
    const directories = new Map<BytePath, ScannedDirectory>();
    let end = first;
    for (const [path, directory] of this.#directories) {
      if (path !== top && !path.startsWith(`${top}/`)) continue;
      directories.set(path, { ...directory, first: directory.first - first });
      end = directory.first + directory.names.length;
    }
    return new TreeScan(directories, this.#words.subarray(first * WORDS, end * WORDS));
  }

  /** Stands for all names and records, but not for times of directories: they say nothing of files. */
  state(): string {
    return (this.#state ??= this.#makeState());
  }

  #makeState(): string {
    const names: string[] = [];
    for (const [path, directory] of this.#directories) names.push(path, ...directory.names, "");
    const text = Buffer.from(names.join("\0"), "latin1");
    return `${hash("sha256", text, "hex")} ${hash("sha256", this.#bytes, "hex")}`;
  }

  /** When its files have settled, for each device the last. */
  settlings(): Settling[] {
    const settled = new Map<bigint, bigint>();
    for (let at = 0; at < this.#words.length; at += WORDS) {
      const device = this.#words[at] ?? 0n;
      const ctimeNs = this.#words[at + CTIME] ?? 0n;
      const ns = ctimeNs === 0n ? 0n : settledNs(this.#words[at + MTIME] ?? 0n, ctimeNs); // a directory has no times here
      if (ns >= (settled.get(device) ?? 0n)) settled.set(device, ns);
    }
    return [...settled].map(([device, ns]) => ({ device, settledNs: ns }));
  }
}

/**
 * Looks at everything below the directory `top` of the tree at `root` (absolute), each directory before what is in it;
 * `isSkipped` is asked before one is looked into. Undefined when something cannot be looked at, or goes meanwhile.
 */
export function scanTree(
  root: BytePath,
  top: BytePath,
  isSkipped: (directory: BytePath) => boolean,
): TreeScan | undefined {
  const directories = new Map<BytePath, ScannedDirectory>();
  const records = new Records();
  const pending: Directory[] = [{ path: top, mtimeNs: 0n }];
  try {
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { path, mtimeNs } = next;
      if (path !== top && isSkipped(path)) continue;
      const place = path === "" ? root : `${root}/${path}`;
      const names = readdirSync(fsPath(place), { encoding: "latin1" }).sort();
      directories.set(path, { names, mtimeNs, first: records.count });
      const below: Directory[] = [];
      for (const name of names) {
        const stat = lstatSync(fsPath(`${place}/${name}`), { bigint: true });
        records.add(stat);
        if (stat.isDirectory()) below.push({ path: joinBytes(path, name), mtimeNs: stat.mtimeNs });
      }
      for (let at = below.length - 1; at >= 0; at--) pending.push(below[at] as Directory); // below `length`
    }
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
  return new TreeScan(directories, records.words);
}

interface Directory {
  readonly path: BytePath;
  readonly mtimeNs: bigint;
}

/** Records in memory that grows. */
class Records {
  #words = new BigInt64Array(WORDS * 256);
  count = 0;

  get words(): BigInt64Array {
    return this.#words.subarray(0, this.count * WORDS);
  }

  add(stat: BigIntStats): void {
    const at = this.count++ * WORDS;
    if (at === this.#words.length) {
      const larger = new BigInt64Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    writeRecord(stat, this.#words, at);
  }
}

function writeRecord(stat: BigIntStats, words: BigInt64Array, at: number): void {
  const isDirectory = stat.isDirectory();
  if (isDirectory) words[at] = stat.dev;
  else writeFingerprint(stat, words, at);
  words[at + MODE] = stat.mode | (isDirectory ? 0n : stat.nlink << LINKS_SHIFT);
  words[at + RDEV] = isDirectory ? 0n : stat.rdev;
}
