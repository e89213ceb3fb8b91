// What lies on disk as an entry of a layer, for those who look for what a step changed.

import { readdirSync, readlinkSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { fsPath } from "../../core/bytes/byte-path.ts";
import { deviceNumbers, lgetxattr } from "../../core/system/syscall.ts";
import type { Entry, EntryType } from "../entry.ts";

/** The entry of something that is neither directory nor socket; a regular file's only attribute is its capability, as in BuildKit. */
export function entryOnDisk(path: BytePath, absolute: BytePath, stat: BigIntStats): Entry {
  if (stat.isSymbolicLink()) return { ...entryOf(path, "symlink", stat), link: readLink(absolute) };
  if (stat.isFIFO()) return entryOf(path, "fifo", stat);
  if (stat.isCharacterDevice() || stat.isBlockDevice()) {
    return { ...entryOf(path, stat.isBlockDevice() ? "block" : "char", stat), ...deviceNumbers(stat.rdev) };
  }
  const capability = capabilityOf(absolute);
  const entry = { ...entryOf(path, "file", stat), size: Number(stat.size) };
  return capability === undefined ? entry : { ...entry, xattrs: { [CAPABILITY]: capability } };
}

/** What all entries have. */
export function entryOf(path: BytePath, type: EntryType, stat: BigIntStats): Entry {
  const mode = Number(stat.mode & 0o7777n);
  return { path, type, mode, uid: Number(stat.uid), gid: Number(stat.gid), size: 0, mtimeNs: stat.mtimeNs };
}

export function whiteoutOf(path: BytePath): Entry {
  return { path, type: "whiteout", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
}

export function isWhiteout(stat: BigIntStats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0n;
}

/** Times do not count: they change with every file made and removed. */
export function isSameDirectory(
  stat: Pick<BigIntStats, "mode" | "uid" | "gid">,
  below: Pick<BigIntStats, "mode" | "uid" | "gid">,
): boolean {
  return stat.mode === below.mode && stat.uid === below.uid && stat.gid === below.gid;
}

export function capabilityOf(absolute: BytePath): Uint8Array | undefined {
  return lgetxattr(absolute, CAPABILITY);
}

export function hasSameCapability(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return Buffer.compare(a ?? NO_BYTES, b ?? NO_BYTES) === 0;
}

/** Absolute paths as the paths of entries. */
export function pathSet(paths: readonly BytePath[] = []): ReadonlySet<BytePath> {
  return new Set(paths.map((path) => path.replace(/^\/+|\/+$/g, "")));
}

export function readNames(directory: BytePath): BytePath[] {
  return readdirSync(fsPath(directory), { encoding: "latin1" });
}

export function readLink(path: BytePath): BytePath {
  return readlinkSync(fsPath(path), { encoding: "latin1" });
}

const CAPABILITY = "security.capability";
const NO_BYTES = new Uint8Array(0);
