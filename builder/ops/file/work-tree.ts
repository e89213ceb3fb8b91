// The tree a file op works on: a rootfs with changes kept in memory, as a file system
// does them. Nothing below is touched; `changes.ts` turns the difference into a layer.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, displayPath, joinBytes, parentOf } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ContentSource, Entry, EntryType, MutableEntry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";

/** Where the bytes of a file of the work tree are. */
export type Content =
  | { readonly kind: "tree"; readonly tree: FileTree; readonly path: BytePath }
  | { readonly kind: "source"; readonly source: ContentSource };

/** A file, directory or other thing; several names may share one. Changed in place. */
export interface Inode {
  type: Exclude<EntryType, "hardlink" | "whiteout" | "opaque">;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeNs: bigint;
  link: BytePath | undefined;
  major: number | undefined;
  minor: number | undefined;
  xattrs: Readonly<Record<string, Uint8Array>> | undefined;
  digest: Digest | undefined;
  content: Content | undefined;
}

/** A name of the tree. */
export interface WorkNode {
  readonly inode: Inode;
  /** The directory below whose names show through; undefined where it is new. */
  readonly base: BytePath | undefined;
  /** Names that were looked up or changed; undefined: removed, or nothing there. */
  readonly names: Map<BytePath, WorkNode | undefined>;
}

export class WorkTree {
  readonly root: WorkNode;
  readonly #base: FileTree;
  /** The time of what an action makes, and of directories whose names it changes. */
  nowNs: bigint;

  constructor(base: FileTree, nowNs: bigint) {
    this.#base = base;
    this.nowNs = nowNs;
    this.root = { inode: this.#inodeOf("", base.lstat("") ?? EMPTY_ROOT), base: "", names: new Map() };
  }

  /** The tree without the op's changes. */
  get base(): FileTree {
    return this.#base;
  }

  lstat(path: BytePath): Entry | undefined {
    const node = this.find(path);
    return node && entryOf(node.inode, path);
  }

  list(path: BytePath): readonly BytePath[] {
    const node = this.find(path);
    return node ? this.names(node) : [];
  }

  /** What is at a path, links not followed. */
  find(path: BytePath): WorkNode | undefined {
    let node: WorkNode | undefined = this.root;
    if (path === "") return node;
    for (const name of path.split("/")) {
      if (node?.inode.type !== "dir") return undefined;
      node = this.child(node, name);
    }
    return node;
  }

  /** The directory that a path is in; undefined if there is none. */
  parent(path: BytePath): WorkNode | undefined {
    const node = this.find(parentOf(path));
    return node?.inode.type === "dir" ? node : undefined;
  }

  child(directory: WorkNode, name: BytePath): WorkNode | undefined {
    if (directory.names.has(name)) return directory.names.get(name);
    if (directory.base === undefined) return undefined;
    const path = joinBytes(directory.base, name);
    const entry = this.#base.lstat(path);
    const node = entry && {
      inode: this.#inodeOf(path, entry),
      base: entry.type === "dir" ? path : undefined,
      names: namesFor(entry.type),
    };
    directory.names.set(name, node);
    return node;
  }

  /** The names in a directory, in byte order. */
  names(directory: WorkNode): readonly BytePath[] {
    const names = new Set(directory.base === undefined ? [] : this.#base.list(directory.base));
    for (const [name, node] of directory.names) {
      if (node === undefined) names.delete(name);
      else names.add(name);
    }
    return [...names].sort();
  }

  /** Gives an inode a name, which must be free. Throws `CONTEXT` for a name that no file system has. */
  link(directory: WorkNode, name: BytePath, inode: Inode): WorkNode {
    if (name.length > NAME_MAX) throw new BuildError("CONTEXT", `${displayPath(name)}: file name too long`);
    const node = { inode, base: undefined, names: namesFor(inode.type) };
    directory.names.set(name, node);
    directory.inode.mtimeNs = this.nowNs;
    return node;
  }

  /** Takes a name away, and everything below it. */
  unlink(directory: WorkNode, name: BytePath): void {
    directory.names.set(name, undefined);
    directory.inode.mtimeNs = this.nowNs;
  }

  /** Takes a path away if it is there. */
  remove(path: BytePath): void {
    const directory = this.parent(path);
    if (directory && this.child(directory, baseOf(path))) this.unlink(directory, baseOf(path));
  }

  /** Makes a directory as mkdir(2) does: beneath a setgid directory it inherits group and bit. */
  makeDirectory(directory: WorkNode, name: BytePath, mode: number): WorkNode {
    const inherits = (directory.inode.mode & SETGID) !== 0;
    const inode = newInode("dir", (mode & 0o1777) | (inherits ? SETGID : 0), this.nowNs);
    if (inherits) inode.gid = directory.inode.gid;
    return this.link(directory, name, inode);
  }

  #inodeOf(path: BytePath, entry: Entry): Inode {
    const inode = inodeOfEntry(entry);
    if (inode.type === "file") inode.content = { kind: "tree", tree: this.#base, path };
    return inode;
  }
}

/** Nothing but a directory has names in it, and most of 20,000 nodes are none. */
function namesFor(type: EntryType): Map<BytePath, WorkNode | undefined> {
  return type === "dir" ? new Map<BytePath, WorkNode | undefined>() : NO_NAMES;
}

const NO_NAMES = new Map<BytePath, never>();
const SETGID = 0o2000;
/** Bytes of a name (limits.h). */
const NAME_MAX = 255;
const EMPTY_ROOT: Entry = { path: "", type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n };

/** An inode owned by root, without content. */
export function newInode(type: Inode["type"], mode: number, mtimeNs: bigint): Inode {
  return {
    type,
    mode,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeNs,
    link: undefined,
    major: undefined,
    minor: undefined,
    xattrs: undefined,
    digest: undefined,
    content: undefined,
  };
}

/** An inode like an entry; its content is left to the caller. */
export function inodeOfEntry(entry: Entry): Inode {
  const type = entry.type === "hardlink" || entry.type === "whiteout" || entry.type === "opaque" ? "file" : entry.type;
  return {
    type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    mtimeNs: entry.mtimeNs,
    link: entry.link,
    major: entry.major,
    minor: entry.minor,
    xattrs: entry.xattrs,
    digest: entry.digest,
    content: undefined,
  };
}

/** An inode as the entry of one of its names. */
export function entryOf(inode: Inode, path: BytePath): Entry {
  const { type, uid, gid, mtimeNs, xattrs } = inode;
  const mode = type === "symlink" ? 0o777 : inode.mode;
  const entry: MutableEntry = { path, type, mode, uid, gid, size: type === "file" ? inode.size : 0, mtimeNs };
  if (type === "symlink" && inode.link !== undefined) entry.link = inode.link;
  if (type === "char" || type === "block") Object.assign(entry, { major: inode.major ?? 0, minor: inode.minor ?? 0 });
  if (xattrs !== undefined) entry.xattrs = xattrs;
  if (type === "file" && inode.digest !== undefined) entry.digest = inode.digest;
  return entry;
}
