// The actions of a file op besides copy: mkfile, mkdir, rm, symlink.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, bytePath, displayPath, parentOf } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { MkdirAction, MkfileAction, RmAction, SymlinkAction } from "../../graph/op.ts";
import { cleanAbsolute, resolvePath, rootPath, rootPathOfParent } from "../../layer/tree/resolve-path.ts";
import { inlineBytes } from "../../graph/op.ts";
import type { Owner } from "../passwd.ts";
import { makeDirectories } from "./directories.ts";
import { expandWildcards } from "./select.ts";
import type { WorkNode, WorkTree } from "./work-tree.ts";
import { newInode } from "./work-tree.ts";

/** Makes a directory; one that is there stays as it is. */
export function makeDirectory(tree: WorkTree, action: MkdirAction, owner: Owner | undefined): void {
  const path = rootPath(tree, bytePath(action.path));
  if (action.makeParents) {
    makeDirectories(tree, path, action.mode, owner);
    return;
  }
  if (path === "" || tree.find(path) !== undefined) return;
  const { inode } = tree.makeDirectory(existingParent(tree, path), baseOf(path), action.mode & 0o777);
  if (owner !== undefined) Object.assign(inode, owner);
}

/** Writes a file; one that is there gets new content and keeps its mode. */
export function makeFile(tree: WorkTree, action: MkfileAction, owner: Owner | undefined): void {
  const path = rootPath(tree, bytePath(action.path));
  const parent = existingParent(tree, path);
  const existing = tree.child(parent, baseOf(path));
  if (path === "" || existing?.inode.type === "dir")
    throw new BuildError("CONTEXT", `open ${action.path}: is a directory`);
  const inode = newInode("file", existing?.inode.mode ?? action.mode & 0o777, tree.nowNs);
  const bytes = inlineBytes(action);
  inode.size = bytes.length;
  inode.content = { kind: "source", source: { kind: "bytes", bytes } };
  Object.assign(inode, owner ?? { uid: existing?.inode.uid ?? 0, gid: existing?.inode.gid ?? inheritedGid(parent) });
  tree.link(parent, baseOf(path), inode);
}

/** Makes a symlink; throws when something has its name. */
export function makeSymlink(tree: WorkTree, action: SymlinkAction, owner: Owner | undefined): void {
  const path = rootPath(tree, bytePath(action.newPath));
  if (tree.find(path) !== undefined)
    throw new BuildError("CONTEXT", `symlink ${action.oldPath} ${action.newPath}: file exists`);
  const parent = existingParent(tree, path);
  const inode = newInode("symlink", 0o777, tree.nowNs);
  inode.link = bytePath(action.oldPath);
  Object.assign(inode, owner ?? { uid: 0, gid: inheritedGid(parent) });
  tree.link(parent, baseOf(path), inode);
}

/** Takes away a path, or all that a pattern names, and what is below. */
export function remove(tree: WorkTree, action: RmAction): void {
  const path = bytePath(action.path);
  const paths = action.allowWildcard ? expandWildcards(tree, path, false) : [path];
  for (const each of paths) removePath(tree, each, action.allowNotFound);
}

function removePath(tree: WorkTree, path: BytePath, allowNotFound: boolean): void {
  if (cleanAbsolute(path) === "/") throw new BuildError("CONTEXT", "the root directory cannot be removed");
  const target = rootPathOfParent(tree, path);
  // A link to nothing counts as not found, as for stat(2).
  if (!allowNotFound && resolvePath(tree, target, { followLast: true }).entry === undefined) {
    throw new BuildError("CONTEXT", `remove /${displayPath(target)}: no such file or directory`);
  }
  const above = tree.find(parentOf(target));
  if (above !== undefined && above.inode.type !== "dir")
    throw new BuildError("CONTEXT", `remove /${displayPath(target)}: not a directory`);
  tree.remove(target);
}

function existingParent(tree: WorkTree, path: BytePath): WorkNode {
  const parent = tree.parent(path);
  if (parent === undefined) throw new BuildError("CONTEXT", `/${displayPath(parentOf(path))}: no such directory`);
  return parent;
}

function inheritedGid(parent: WorkNode): number {
  return (parent.inode.mode & 0o2000) === 0 ? 0 : parent.inode.gid;
}
