// What stat(2) says of a client's file, as far as it is of use here.

import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { deviceNumbers } from "../core/system/syscall.ts";
import type { Entry } from "../layer/entry.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** What a file is compared by. */
export interface FileLook {
  /** With the type's bits. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly links: number;
}

/** One file. */
export interface FileStat extends Omit<FileLook, "links"> {
  readonly rdev: bigint;
  /** Device and inode of a file that has other names, else undefined. */
  readonly inode: string | undefined;
  readonly fingerprint: Fingerprint;
}

/** What Node gives, as it is compared. */
export function lookOf({ mode, size, mtimeNs, nlink }: BigIntStats): FileLook {
  return { mode: Number(mode), size: Number(size), mtimeNs, links: Number(nlink) };
}

/** What Node gives, as it is kept. */
export function statOf(stat: BigIntStats): FileStat {
  const { dev, ino, mode, nlink, size, mtimeNs, rdev } = stat;
  return {
    mode: Number(mode),
    size: Number(size),
    mtimeNs,
    rdev,
    inode: nlink > 1n && !stat.isDirectory() ? `${dev}:${ino}` : undefined,
    fingerprint: fingerprintOf(stat),
  };
}

/** The entry of a client's file: its owner means nothing. */
export function entryOf(path: BytePath, stat: FileStat): Entry {
  const type = typeOf(stat);
  const mode = type === "symlink" ? 0o777 : stat.mode & 0o7777;
  const entry = { path, type, mode, uid: 0, gid: 0, size: type === "file" ? stat.size : 0, mtimeNs: stat.mtimeNs };
  return type === "char" || type === "block" ? { ...entry, ...deviceNumbers(stat.rdev) } : entry;
}

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK } = constants;

/** A socket counts as a file, as with BuildKit. */
export function typeOf({ mode }: FileStat): Exclude<Entry["type"], "hardlink" | "whiteout" | "opaque"> {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "dir";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFCHR:
      return "char";
    case S_IFBLK:
      return "block";
    default:
      return "file";
  }
}

/** Whether it is a socket: there are no bytes to read. */
export function isSocket({ mode }: FileStat): boolean {
  return (mode & S_IFMT) === S_IFSOCK;
}
