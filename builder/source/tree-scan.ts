// What the kernel says of everything below a directory, in one go: names, and 56 bytes a name instead of an object. That is
// enough to know whether anything can have changed since another build, and every later question about a file is answered
// from it.

import { hash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { constants, lstatSync, readdirSync } from "node:fs";
import type { BytePath } from "../core/byte-path.ts";
import { fsPath, joinBytes } from "../core/byte-path.ts";
import { isSystemError } from "../core/errors.ts";
import type { FileStat } from "./file-stat.ts";
import type { Settling } from "./fingerprint.ts";
import { FINGERPRINT_WORDS, settledNs, writeFingerprint } from "./fingerprint.ts";

/** A fingerprint, then mode (file type included), links and device number. Of a directory only device and mode are kept. */
const WORDS = FINGERPRINT_WORDS + 2;
const [SIZE, MTIME, MODE, RDEV] = [2, 3, FINGERPRINT_WORDS, FINGERPRINT_WORDS + 1];
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
  readonly #directories: ReadonlyMap<BytePath, ScannedDirectory>;
  readonly #settled: ReadonlyMap<bigint, bigint>;
  readonly #words: BigInt64Array;
  readonly #bytes: Buffer;
  #state: string | undefined;

  constructor(directories: ReadonlyMap<BytePath, ScannedDirectory>, { words, settled }: Records) {
    this.#directories = directories;
    this.#settled = settled;
    this.#words = words;
    this.#bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  }

  /** A directory that was looked into, by its path in the tree. */
  directory(path: BytePath): ScannedDirectory | undefined {
    return this.#directories.get(path);
  }

  /** What a name of a directory is; `path` is where that is. Undefined of a directory that was not looked into. */
  stat({ first }: ScannedDirectory, number: number, path: BytePath): FileStat | undefined {
    const at = (first + number) * WORDS;
    const modeAndLinks = this.#words[at + MODE] ?? 0n;
    const mode = Number(modeAndLinks & 0xffff_ffffn);
    const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR;
    const directory = isDirectory ? this.#directories.get(path) : undefined;
    if (isDirectory && directory === undefined) return undefined;
    return {
      mode,
      size: Number(this.#words[at + SIZE] ?? 0n),
      mtimeNs: directory?.mtimeNs ?? this.#words[at + MTIME] ?? 0n,
      rdev: this.#words[at + RDEV] ?? 0n,
      inode: modeAndLinks >> LINKS_SHIFT > 1n ? `${this.#words[at]}:${this.#words[at + 1]}` : undefined,
      fingerprint: this.#bytes.toString("latin1", at * 8, (at + FINGERPRINT_WORDS) * 8),
    };
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
  get settlings(): readonly Settling[] {
    return [...this.#settled].map(([device, settledNs]) => ({ device, settledNs }));
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
  return new TreeScan(directories, records);
}

interface Directory {
  readonly path: BytePath;
  readonly mtimeNs: bigint;
}

/** Records in memory that grows. */
class Records {
  #words = new BigInt64Array(WORDS * 256);
  count = 0;
  /** By device, when the last of its files has settled. */
  readonly settled = new Map<bigint, bigint>();

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
    const isDirectory = stat.isDirectory();
    const settled = isDirectory ? 0n : settledNs(stat.mtimeNs, stat.ctimeNs);
    if (settled >= (this.settled.get(stat.dev) ?? 0n)) this.settled.set(stat.dev, settled);
    if (isDirectory) this.#words[at] = stat.dev;
    else writeFingerprint(stat, this.#words, at);
    this.#words[at + MODE] = stat.mode | (isDirectory ? 0n : stat.nlink << LINKS_SHIFT);
    this.#words[at + RDEV] = isDirectory ? 0n : stat.rdev;
  }
}
