// One entry of a result as a file of the user's, synchronously. Nothing is ever written
// through what is there: neither a symlink nor another name of a file.

import * as fs from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { displayPath, fsPath } from "../core/bytes/byte-path.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { mknod, S_IF, setMtimeNs } from "../core/system/syscall.ts";
import type { ContentSource, Entry, SourcedEntry } from "../layer/entry.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import { writeAll } from "../core/system/write-all.ts";

/** How entries become files. */
export interface LocalLook {
  readonly keepOwners: boolean;
  readonly maxMtimeNs?: bigint;
}

const BUFFER = Buffer.allocUnsafeSlow(256 << 10);

/**
 * Makes an entry at a path where nothing is; a directory stays open to its owner until `finish`. `linkTarget` is where
 * the other name of a hard link lies. `check` throws when the work is to stop. False for a device that this process may not make.
 */
export function makeEntry(
  item: SourcedEntry,
  path: BytePath,
  linkTarget: BytePath,
  look: LocalLook,
  check: () => void,
): boolean {
  const { entry } = item;
  switch (entry.type) {
    case "dir":
      fs.mkdirSync(fsPath(path), 0o700);
      return true;
    case "file":
      makeFile(item, path, check);
      finish(path, entry, look);
      return true;
    case "symlink":
      fs.symlinkSync(fsPath(entry.link ?? ""), fsPath(path));
      if (look.keepOwners) fs.lchownSync(fsPath(path), entry.uid, entry.gid);
      setMtimeNs(path, timeOf(entry, look));
      return true;
    case "hardlink":
      fs.linkSync(fsPath(linkTarget), fsPath(path));
      return true;
    case "char":
    case "block":
    case "fifo":
      if (entry.type !== "fifo" && !look.keepOwners) return false;
      mknod(path, S_IF[entry.type] | 0o600, entry.major ?? 0, entry.minor ?? 0);
      finish(path, entry, look);
      return true;
    case "whiteout":
    case "opaque":
      throw new BuildError("INTERNAL", `a merged tree holds a ${entry.type}`);
  }
}

/** Gives something that is no link its owner, mode and time. The mode after the owner: chown takes setuid away. */
export function finish(path: BytePath, entry: Entry, look: LocalLook): void {
  if (look.keepOwners) fs.lchownSync(fsPath(path), entry.uid, entry.gid);
  fs.chmodSync(fsPath(path), entry.mode);
  setMtimeNs(path, timeOf(entry, look));
}

/** Takes away whatever is at a path. */
export function clear(path: BytePath): void {
  const there = lstat(path);
  if (there === undefined) return;
  if (there.isDirectory()) removeTree(path);
  else fs.unlinkSync(fsPath(path));
}

/** What is at a path; undefined where nothing is. */
export function lstat(path: BytePath): fs.Stats | undefined {
  try {
    return fs.lstatSync(fsPath(path));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function makeFile({ entry, source }: SourcedEntry, path: BytePath, check: () => void): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
  const fd = fs.openSync(fsPath(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  let size = 0;
  try {
    if (source?.kind === "bytes") size = writeAll(fd, source.bytes);
    else if (source !== undefined) size = copyFile(source, fd, check);
  } finally {
    fs.closeSync(fd);
  }
  if (size !== entry.size) {
    throw new BuildError(
      "INTERNAL",
      `"${displayPath(entry.path)}" has ${size} bytes where its entry says ${entry.size}`,
    );
  }
}

function copyFile(source: Extract<ContentSource, { kind: "path" }>, to: number, check: () => void): number {
  const from = fs.openSync(fsPath(source.path), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  try {
    let size = 0;
    for (let read: number; (read = fs.readSync(from, BUFFER, 0, BUFFER.length, null)) > 0; check())
      size += writeAll(to, BUFFER.subarray(0, read));
    return size;
  } finally {
    fs.closeSync(from);
  }
}

function timeOf(entry: Entry, { maxMtimeNs }: LocalLook): bigint {
  return maxMtimeNs !== undefined && entry.mtimeNs > maxMtimeNs ? maxMtimeNs : entry.mtimeNs;
}
