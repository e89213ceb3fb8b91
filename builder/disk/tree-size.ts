// What files take of a disk: allocated blocks, each inode once, as du(1) counts.

import type { Stats } from "node:fs";
import { lstatSync, readdirSync } from "node:fs";
import { NamespaceNeeded } from "../core/system/namespace.ts";
import { isErrno } from "../core/errors.ts";

const STAT_BLOCK_BYTES = 512;

/** Counts trees of one store; an inode with several names counts where it is met first. */
export class TreeSize {
  readonly #seen = new Set<string>();

  /** Bytes of one file or folder itself; 0 when it is not there (any more). */
  own(path: string | Buffer): number {
    const stats = statIfThere(path);
    return stats === undefined ? 0 : this.#count(stats);
  }

  /** Bytes of a path and all below it. Throws `NamespaceNeeded` where folders belong to other ids than this process has. */
  tree(path: string): number {
    let bytes = 0;
    // Names are bytes: what a step left need not be UTF-8.
    const pending: Buffer[] = [Buffer.from(path)];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const stats = statIfThere(next);
      if (stats === undefined) continue;
      bytes += this.#count(stats);
      if (stats.isDirectory()) for (const name of namesIn(next)) pending.push(Buffer.concat([next, SLASH, name]));
    }
    return bytes;
  }

  #count({ dev, ino, nlink, blocks }: Stats): number {
    if (nlink > 1) {
      const key = `${dev}:${ino}`;
      if (this.#seen.has(key)) return 0;
      this.#seen.add(key);
    }
    return blocks * STAT_BLOCK_BYTES;
  }
}

const SLASH = Buffer.from("/");

/** Names in a folder as bytes; none when it is not there (any more). */
function namesIn(path: Buffer): Buffer[] {
  try {
    return readdirSync(path, { encoding: "buffer" });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    if (isErrno(error, "EACCES", "EPERM")) throw new NamespaceNeeded("measuring a step's files");
    throw error;
  }
}

/** lstat(2); undefined when nothing is there (any more). */
export function statIfThere(path: string | Buffer): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    if (isErrno(error, "EACCES", "EPERM")) throw new NamespaceNeeded("measuring a step's files");
    throw error;
  }
}

/** Names in a folder of the store's own, sorted; none when there is no such folder. */
export function listFolder(path: string): string[] {
  return namesIn(Buffer.from(path))
    .map((name) => name.toString("utf8"))
    .toSorted();
}
