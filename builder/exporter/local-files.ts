// Writes entries into a folder of the user, synchronously. The result wins over what is
// there, but nothing is ever written through a link: neither a symlink nor another name of a file.

import * as fs from "node:fs";
import type { BytePath } from "../core/byte-path.ts";
import { bytePath, displayPath, fsPath, joinBytes, parentOf } from "../core/byte-path.ts";
import { BuildError, isErrno, isSystemError } from "../core/errors.ts";
import { mknod, S_IF, setMtimeNs } from "../core/syscall.ts";
import type { ContentSource, Entry, SourcedEntry } from "../layer/entry.ts";
import { removeTree } from "../layer/remove-tree.ts";

export interface LocalRequest {
  /** Parents first, hard links after their targets. */
  readonly entries: readonly SourcedEntry[];
  readonly root: string;
  readonly deleteExtra: boolean;
  readonly keepOwners: boolean;
  readonly maxMtimeNs?: bigint;
}

/** What the thread says at its end. `skipped` are devices that it may not make. */
export type LocalAnswer =
  | { readonly kind: "done"; readonly skipped: readonly string[] }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly code: string | undefined;
      readonly path: string | undefined;
    };

const BUFFER = Buffer.allocUnsafeSlow(256 << 10);

/** Writes everything; an error becomes an answer that names the path. */
export function writeLocal(request: LocalRequest): LocalAnswer {
  let path = "";
  try {
    const root = bytePath(request.root);
    fs.mkdirSync(fsPath(root), { recursive: true });
    const skipped: string[] = [];
    for (const item of request.entries) {
      path = joinBytes(root, item.entry.path);
      if (!writeOne(item, root, path, request)) skipped.push(displayPath(item.entry.path));
    }
    if (request.deleteExtra) removeOthers(root, new Set(request.entries.map(({ entry }) => entry.path)));
    // Last, children before parents: what is written into a directory changes its time, and it may be read-only.
    for (const { entry } of request.entries.toReversed()) {
      if (entry.type !== "dir") continue;
      path = joinBytes(root, entry.path);
      finish(path, entry, request);
    }
    return { kind: "done", skipped };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      kind: "failed",
      message,
      code: isSystemError(error) ? error.code : undefined,
      path: path === "" ? undefined : displayPath(path),
    };
  }
}

// False for a device that this process may not make.
function writeOne(item: SourcedEntry, root: BytePath, path: BytePath, request: LocalRequest): boolean {
  const { entry } = item;
  switch (entry.type) {
    case "dir":
      makeDirectory(path);
      return true;
    case "file":
      writeFile(item, path, request);
      return true;
    case "symlink":
      remove(path);
      fs.symlinkSync(fsPath(entry.link ?? ""), fsPath(path));
      if (request.keepOwners) fs.lchownSync(fsPath(path), entry.uid, entry.gid);
      setMtimeNs(path, timeOf(entry, request));
      return true;
    case "hardlink":
      remove(path);
      fs.linkSync(fsPath(joinBytes(root, entry.link ?? "")), fsPath(path));
      return true;
    case "char":
    case "block":
    case "fifo":
      if (entry.type !== "fifo" && !request.keepOwners) return false;
      remove(path);
      mknod(path, S_IF[entry.type] | 0o600, entry.major ?? 0, entry.minor ?? 0);
      finish(path, entry, request);
      return true;
    case "whiteout":
    case "opaque":
      throw new BuildError("INTERNAL", `a merged tree holds a ${entry.type}`);
  }
}

function makeDirectory(path: BytePath): void {
  const there = lstat(path);
  if (there?.isDirectory() === true) {
    if ((there.mode & 0o700) !== 0o700) fs.chmodSync(fsPath(path), (there.mode & 0o7777) | 0o700);
    return;
  }
  if (there !== undefined) remove(path);
  fs.mkdirSync(fsPath(path), 0o700);
}

// Under a name of its own first: a reader sees the old file or the new one.
function writeFile(item: SourcedEntry, path: BytePath, request: LocalRequest): void {
  const temporary = joinBytes(parentOf(path), `.tsbuild-${process.pid}.tmp`);
  remove(temporary);
  const fd = fs.openSync(
    fsPath(temporary),
    fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW,
    0o600,
  );
  try {
    try {
      copyContent(item, fd);
    } finally {
      fs.closeSync(fd);
    }
    finish(temporary, item.entry, request);
    if (lstat(path)?.isDirectory() === true) remove(path);
    fs.renameSync(fsPath(temporary), fsPath(path));
  } catch (error) {
    remove(temporary);
    throw error;
  }
}

function copyContent({ entry, source }: SourcedEntry, fd: number): void {
  const size = source === undefined ? 0 : source.kind === "bytes" ? writeAll(fd, source.bytes) : copyFile(source, fd);
  if (size !== entry.size) {
    throw new BuildError(
      "INTERNAL",
      `"${displayPath(entry.path)}" has ${size} bytes where its entry says ${entry.size}`,
    );
  }
}

function copyFile(source: Extract<ContentSource, { kind: "path" }>, to: number): number {
  const from = fs.openSync(fsPath(source.path), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  try {
    let size = 0;
    for (let read: number; (read = fs.readSync(from, BUFFER, 0, BUFFER.length, null)) > 0;)
      size += writeAll(to, BUFFER.subarray(0, read));
    return size;
  } finally {
    fs.closeSync(from);
  }
}

function writeAll(fd: number, bytes: Uint8Array): number {
  for (let offset = 0; offset < bytes.length;) offset += fs.writeSync(fd, bytes, offset);
  return bytes.length;
}

// The mode after the owner: chown takes setuid away.
function finish(path: BytePath, entry: Entry, request: LocalRequest): void {
  if (request.keepOwners) fs.lchownSync(fsPath(path), entry.uid, entry.gid);
  fs.chmodSync(fsPath(path), entry.mode);
  setMtimeNs(path, timeOf(entry, request));
}

function timeOf(entry: Entry, { maxMtimeNs }: LocalRequest): bigint {
  return maxMtimeNs !== undefined && entry.mtimeNs > maxMtimeNs ? maxMtimeNs : entry.mtimeNs;
}

function removeOthers(root: BytePath, kept: ReadonlySet<BytePath>): void {
  const visit = (directory: BytePath): void => {
    for (const name of fs.readdirSync(fsPath(joinBytes(root, directory)), { encoding: "latin1" })) {
      const path = joinBytes(directory, name);
      if (!kept.has(path)) remove(joinBytes(root, path));
      else if (lstat(joinBytes(root, path))?.isDirectory() === true) visit(path);
    }
  };
  visit("");
}

function remove(path: BytePath): void {
  const there = lstat(path);
  if (there === undefined) return;
  if (there.isDirectory()) removeTree(path);
  else fs.unlinkSync(fsPath(path));
}

function lstat(path: BytePath): fs.Stats | undefined {
  try {
    return fs.lstatSync(fsPath(path));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
