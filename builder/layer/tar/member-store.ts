// Where the members of an archive go while it is read: into a directory in overlay form,
// into plain files (for reading without privileges), or nowhere (when only the index is wanted).

import { closeSync, lstatSync, mkdirSync, openSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import type { Entry } from "../entry.ts";
import type { LayerTree, TreeNode } from "./layer-tree.ts";
import type { Attributes } from "../tree/overlay-tree.ts";
import { IMPLIED_DIRECTORY, OverlayTree } from "../tree/overlay-tree.ts";
import { removeTree } from "../../core/system/remove-tree.ts";

/** Takes what `apply.ts` decides. Paths are resolved: their parents are directories it has made. */
export interface MemberStore {
  makeDirectory(node: TreeNode): void;
  remove(node: TreeNode): void;
  /** A file descriptor for the content of a member, or undefined to let it pass. */
  openFile(path: BytePath, member: number, entry: Entry): number | undefined;
  closeFile(fd: number, path: BytePath, entry: Entry): void;
  /** Everything that is neither file nor directory. */
  make(path: BytePath, entry: Entry): void;
  /** The inode of a path got new attributes. */
  changeAttributes(path: BytePath, entry: Entry): void;
  finish(tree: LayerTree): void;
  abandon(): void;
}

/** Keeps nothing. */
export class NoStore implements MemberStore {
  makeDirectory(): void {}
  remove(): void {}
  openFile(): undefined {
    return undefined;
  }
  closeFile(fd: number): void {
    closeSync(fd);
  }
  make(): void {}
  changeAttributes(): void {}
  finish(): void {}
  abandon(): void {}
}

/** Writes the overlay form. */
export class OverlayStore implements MemberStore {
  readonly #tree: OverlayTree;
  readonly #lowers: readonly BytePath[];

  constructor(directory: string, namespace: "trusted" | "user", lowers: readonly string[]) {
    this.#tree = new OverlayTree(directory, namespace);
    this.#lowers = lowers.map(bytePath);
  }

  makeDirectory(node: TreeNode): void {
    this.#tree.makeDirectory(node.path);
  }

  remove(node: TreeNode): void {
    this.#tree.remove(node.path, node.children !== undefined);
  }

  openFile(path: BytePath, _member: number, entry: Entry): number {
    return this.#tree.openFile(path, entry.mode);
  }

  closeFile(fd: number, path: BytePath, entry: Entry): void {
    this.#tree.closeFile(fd, path, entry);
  }

  make(path: BytePath, entry: Entry): void {
    switch (entry.type) {
      case "symlink":
        this.#tree.makeSymlink(path, entry.link ?? "", entry);
        break;
      case "hardlink":
        this.#tree.makeHardLink(path, entry.link ?? "");
        break;
      case "whiteout":
        this.#tree.makeWhiteout(path);
        break;
      case "char":
      case "block":
      case "fifo":
        this.#tree.makeSpecial(path, entry);
        break;
      case "file":
      case "dir":
      case "opaque":
        break;
    }
  }

  changeAttributes(path: BytePath, entry: Entry): void {
    this.#tree.setAttributes(path, entry);
  }

  finish(tree: LayerTree): void {
    for (const node of tree.directories()) {
      // Setting the attribute does not touch the directory's time.
      if (node.isOpaque) this.#tree.makeOpaque(node.path);
      // The root's own attributes come from whoever mounts it, as with containerd.
      if (node.path !== "") this.#tree.setAttributes(node.path, node.inode?.entry ?? this.#lowerAttributes(node.path));
    }
  }

  abandon(): void {
    this.#tree.abandon();
  }

  #lowerAttributes(path: BytePath): Attributes {
    for (const lower of this.#lowers) {
      const stat = statBelow(lower, path);
      if (stat === undefined) continue;
      if (!stat.isDirectory()) break;
      const [mode, uid, gid] = [Number(stat.mode) & 0o7777, Number(stat.uid), Number(stat.gid)];
      return { mode, uid, gid, mtimeNs: stat.mtimeNs };
    }
    return IMPLIED_DIRECTORY;
  }
}

/** Writes the content of wanted regular files, flat, under names of our own. */
export class PlainStore implements MemberStore {
  readonly #directory: BytePath;
  readonly #isWanted: (path: BytePath, member: number) => boolean;
  readonly #stored = new Set<number>();

  constructor(directory: BytePath, isWanted: (path: BytePath, member: number) => boolean) {
    this.#directory = directory;
    this.#isWanted = isWanted;
    mkdirSync(fsPath(directory), { recursive: true, mode: 0o700 });
  }

  /** Whether the content of a member was written. */
  has(member: number): boolean {
    return this.#stored.has(member);
  }

  /** Where the content of a member is. */
  placeOf(member: number): BytePath {
    return joinBytes(this.#directory, String(member));
  }

  makeDirectory(): void {}
  remove(): void {}

  openFile(path: BytePath, member: number): number | undefined {
    if (!this.#isWanted(path, member)) return undefined;
    this.#stored.add(member);
    return openSync(fsPath(this.placeOf(member)), "wx", 0o600);
  }

  closeFile(fd: number): void {
    closeSync(fd);
  }

  make(): void {}
  changeAttributes(): void {}
  finish(): void {}

  abandon(): void {
    removeTree(this.#directory);
  }
}

/** What a lower directory has at a path, walking part by part so that no link leads out of it. */
function statBelow(lower: BytePath, path: BytePath): BigIntStats | undefined {
  let at = lower;
  let stat: BigIntStats | undefined;
  for (const part of path.split("/")) {
    at = joinBytes(at, part);
    stat = lstatSync(fsPath(at), { bigint: true, throwIfNoEntry: false });
    if (stat?.isDirectory() !== true) return stat;
  }
  return stat;
}
