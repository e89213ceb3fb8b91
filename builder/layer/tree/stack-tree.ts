// A stack of directories in overlay form, looked into without an overlay mount and
// without their indexes: for the few files that are read before a step starts
// (/etc/passwd), while the entries of the layer before it are still being found.

import type { BigIntStats } from "node:fs";
import { lstatSync, readlinkSync } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { lgetxattr } from "../../core/system/syscall.ts";
import type { ContentSource, Entry, EntryType } from "../entry.ts";
import type { FileTree } from "./file-tree.ts";

/** What reading a file asks of a tree. */
export type ReadableTree = Pick<FileTree, "lstat" | "sources">;

/** An entry, and where it lies on this machine. */
interface Found {
  readonly entry: Entry;
  readonly place: BytePath;
}

/** Directories topmost first; honours whiteouts and opaque directories. */
export class StackTree implements ReadableTree {
  readonly #directories: readonly BytePath[];
  readonly #opaqueName: string;
  readonly #found = new Map<BytePath, Found | undefined>();

  constructor(directories: readonly string[], overlayXattrs: "trusted" | "user") {
    this.#directories = directories.map(bytePath);
    this.#opaqueName = `${overlayXattrs}.overlay.opaque`;
  }

  lstat(path: BytePath): Entry | undefined {
    return this.#find(path)?.entry;
  }

  sources(paths: readonly BytePath[]): Promise<ReadonlyMap<BytePath, ContentSource>> {
    const found = paths.flatMap((path): [BytePath, ContentSource][] => {
      const place = this.#find(path)?.place;
      return place === undefined ? [] : [[path, { kind: "path", path: place }]];
    });
    return Promise.resolve(new Map(found));
  }

  #find(path: BytePath): Found | undefined {
    if (this.#found.has(path)) return this.#found.get(path);
    const found = this.#search(path);
    this.#found.set(path, found);
    return found;
  }

  #search(path: BytePath): Found | undefined {
    for (const directory of this.#directories) {
      const answer = this.#look(directory, path);
      if (answer === "hidden") return undefined;
      if (answer !== "below") return answer;
    }
    return undefined;
  }

  // Every part is looked at: any of them may be a whiteout, no directory any more, or opaque.
  #look(directory: BytePath, path: BytePath): Found | "hidden" | "below" {
    let hidesBelow = false;
    let at = "";
    const parts = path === "" ? [] : path.split("/");
    for (const part of parts.slice(0, -1)) {
      at = joinBytes(at, part);
      const stat = statOf(joinBytes(directory, at));
      if (stat === undefined) return hidesBelow ? "hidden" : "below";
      if (!stat.isDirectory()) return "hidden";
      hidesBelow ||= lgetxattr(joinBytes(directory, at), this.#opaqueName) !== undefined;
    }
    const place = joinBytes(directory, path);
    const stat = statOf(place);
    if (stat === undefined) return hidesBelow ? "hidden" : "below";
    if (stat.isCharacterDevice() && stat.rdev === 0n) return "hidden";
    return { entry: entryOf(path, place, stat), place };
  }
}

function statOf(path: BytePath): BigIntStats | undefined {
  return lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
}

function entryOf(path: BytePath, place: BytePath, stat: BigIntStats): Entry {
  const type = typeOf(stat);
  return {
    path,
    type,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === "file" ? Number(stat.size) : 0,
    mtimeNs: stat.mtimeNs,
    ...(type === "symlink" ? { link: readlinkSync(fsPath(place), "latin1") } : {}),
  };
}

function typeOf(stat: BigIntStats): EntryType {
  if (stat.isDirectory()) return "dir";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isCharacterDevice()) return "char";
  if (stat.isBlockDevice()) return "block";
  return stat.isFile() ? "file" : "fifo";
}
