// What the tests of this room share: temporary folders, tars built member by member, a pool.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { joinBytes, fsPath } from "../../builder/core/bytes/byte-path.ts";
import { setMtimeNs } from "../../builder/core/system/syscall.ts";
import { ArchiveReader } from "../../builder/layer/tar/archive-reader.ts";
import type { Entry, SourcedEntry } from "../../builder/layer/entry.ts";
import { NoStore } from "../../builder/layer/tar/member-store.ts";
import { paddingOf } from "../../builder/layer/tar/tar-format.ts";
import type { TarHeader } from "../../builder/layer/tar/tar-format.ts";
import { TarReader } from "../../builder/layer/tar/tar-reader.ts";
import { encodeTarHeader, TAR_END } from "../../builder/layer/tar/tar-writer.ts";

export const isRoot = process.geteuid?.() === 0;
export const never = new AbortController().signal;

/** A folder that goes with the test. */
export function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "tsbuild-layer-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A member of a tar with defaults for all that a test does not care about. */
export interface Member extends Partial<Omit<TarHeader, "size">> {
  readonly name: string;
  readonly content?: string | Uint8Array;
}

export function headerOf({ content, ...member }: Member): TarHeader {
  const size = content === undefined ? 0 : Buffer.byteLength(content);
  const type = member.type ?? (member.name.endsWith("/") ? "dir" : "file");
  const mode = type === "dir" ? 0o755 : type === "symlink" ? 0o777 : 0o644;
  return { type, mode, uid: 0, gid: 0, mtimeNs: 0n, link: "", major: 0, minor: 0, size, ...member };
}

/** The bytes of a tar. Names go in as they are, however hostile. */
export function tarOf(members: readonly Member[]): Buffer {
  const parts = members.flatMap((member) => {
    const content = Buffer.from(member.content ?? "");
    return [Buffer.from(encodeTarHeader(headerOf(member))), content, Buffer.alloc(paddingOf(content.length))];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** Every member of a tar with its content, read in pieces of the given size. */
export function readTar(bytes: Uint8Array, pieceBytes = 65536): { header: TarHeader; content: Buffer }[] {
  const members: { header: TarHeader; content: Buffer }[] = [];
  const reader = new TarReader({
    begin: (header) => void members.push({ header, content: Buffer.alloc(Math.min(header.size, 1 << 24)) }),
    data: (data, offset) => void data.copy(members.at(-1)?.content ?? Buffer.alloc(0), offset),
    end: () => undefined,
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
  reader.end();
  return members;
}

/** The index of a layer's tar. */
export function indexOf(bytes: Uint8Array): Entry[] {
  const archive = new ArchiveReader({ kind: "layer", maxContentBytes: 1 << 30 }, new NoStore());
  const reader = new TarReader(archive);
  reader.push(bytes);
  reader.end();
  return archive.tree.entries();
}

/** A tree on disk as entries, as a caller of `pack` would have them. */
export function entriesOf(root: string, names?: (path: string) => boolean): SourcedEntry[] {
  const found: SourcedEntry[] = [];
  const inodes = new Map<bigint, string>();
  const walk = (path: string): void => {
    for (const name of readdirSync(fsPath(joinBytes(root, path)), { encoding: "latin1" })) {
      const child = joinBytes(path, name);
      if (names !== undefined && !names(child)) continue;
      const absolute = joinBytes(root, child);
      const stat = lstatSync(fsPath(absolute), { bigint: true });
      const [mode, uid, gid] = [Number(stat.mode & 0o7777n), Number(stat.uid), Number(stat.gid)];
      const base = { path: child, mode, uid, gid, size: 0, mtimeNs: stat.mtimeNs };
      const first = inodes.get(stat.ino);
      if (stat.isDirectory()) {
        found.push({ entry: { ...base, type: "dir" } });
        walk(child);
      } else if (stat.nlink > 1n && first !== undefined) {
        found.push({ entry: { ...base, type: "hardlink", link: first } });
      } else if (stat.isSymbolicLink()) {
        found.push({
          entry: { ...base, type: "symlink", link: readlinkSync(fsPath(absolute), { encoding: "latin1" }) },
        });
      } else if (stat.isFIFO()) {
        found.push({ entry: { ...base, type: "fifo" } });
      } else if (stat.isFile()) {
        inodes.set(stat.ino, child);
        found.push({
          entry: { ...base, type: "file", size: Number(stat.size) },
          source: { kind: "path", path: absolute },
        });
      }
    }
  };
  walk("");
  return found;
}

/** A tree on disk as lines: "path type mode uid:gid mtimeNs content". */
export function treeText(root: string): string[] {
  const lines: string[] = [];
  const walk = (path: string): void => {
    for (const name of readdirSync(fsPath(joinBytes(root, path)), { encoding: "latin1" }).sort()) {
      const child = joinBytes(path, name);
      const absolute = fsPath(joinBytes(root, child));
      const stat = lstatSync(absolute, { bigint: true });
      const about = `${child} ${(stat.mode & 0o7777n).toString(8)} ${stat.uid}:${stat.gid} ${stat.mtimeNs}`;
      if (stat.isDirectory()) {
        lines.push(`${about} dir`);
        walk(child);
      } else if (stat.isSymbolicLink()) lines.push(`${about} -> ${readlinkSync(absolute)}`);
      else if (stat.isFile()) lines.push(`${about} ${stat.nlink} ${readFileSync(absolute, "latin1")}`);
      else if (stat.isCharacterDevice() && stat.rdev === 0n) lines.push(`${child} whiteout`);
      else lines.push(`${about} special ${stat.mode >> 12n} ${stat.rdev}`);
    }
  };
  walk("");
  return lines;
}

/** Entries as short lines: "path type". */
export function summary(entries: readonly Entry[]): string[] {
  return entries.map(({ path, type, link }) => `${path} ${type}${link === undefined ? "" : ` ${link}`}`);
}

/** Whether an archive is refused for what it holds, with these words. */
export async function refuses(promise: Promise<unknown>, text: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof BuildError);
    assert.equal(error.code, "ARCHIVE_INVALID");
    assert.match(error.message, text);
    return true;
  });
}

/** A small tree with every kind of thing. */
export function sampleTree(directory: string): void {
  mkdirSync(join(directory, "d/e"), { recursive: true });
  writeFileSync(join(directory, "d/file"), "hello", { mode: 0o640 });
  writeFileSync(join(directory, "d/e/big"), Buffer.alloc(3_500_000, "0123456789abcdef\n"));
  writeFileSync(join(directory, "empty"), "");
  writeFileSync(join(directory, "old"), "1969");
  setMtimeNs(join(directory, "old"), -86_400_000_000_001n);
  symlinkSync("d/file", join(directory, "link"));
  linkSync(join(directory, "d/file"), join(directory, "z-hard"));
  execFileSync("mkfifo", [join(directory, "pipe")]);
  for (let i = 0; i < 300; i++) writeFileSync(join(directory, `d/f${i}`), `${i} `.repeat(i * 10));
}
