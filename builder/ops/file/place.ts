// The second half of a copy: puts a selection into the destination, by the rules of
// BuildKit's copier (cp -a with its own ideas of what a destination is).

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, bytePath, displayPath, joinBytes, parentOf } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { CopyAction } from "../../graph/op.ts";
import type { Entry } from "../../layer/entry.ts";
import type { FileTree } from "../../layer/tree/file-tree.ts";
import { rootPath } from "../../layer/tree/resolve-path.ts";
import { makeDirectories } from "./directories.ts";
import type { ModeChange } from "./mode.ts";
import { modeChange } from "./mode.ts";
import type { Owner } from "../passwd.ts";
import type { SelectedItem, SelectedSource } from "./select.ts";
import type { Inode, WorkNode, WorkTree } from "./work-tree.ts";
import { inodeOfEntry } from "./work-tree.ts";

const CREATED_MODE = 0o755;

/** How a copy changes what it copies. */
export interface CopyMetadata {
  /** Of `--chown`; undefined: as in the source. */
  readonly owner: Owner | undefined;
  readonly mode: ModeChange | undefined;
  /** Of all that is copied, in ns; undefined: the source's. */
  readonly mtimeNs: bigint | undefined;
  /** Of directories made on the way. */
  readonly createdMode: number;
}

/** The owner and mode that a copy gives. */
export function copyMetadata(action: CopyAction, owner: Owner | undefined): CopyMetadata {
  const { mode } = action;
  return {
    owner,
    mode: mode && modeChange(mode),
    mtimeNs: action.timeNs === undefined ? undefined : BigInt(action.timeNs),
    createdMode: mode !== undefined && "octal" in mode ? mode.octal & 0o777 : CREATED_MODE,
  };
}

/** Copies a selection. Throws `CONTEXT` where a file stands in the way of a directory or the other way round. */
export function place(
  tree: WorkTree,
  source: FileTree,
  selected: readonly SelectedSource[],
  action: CopyAction,
  metadata: CopyMetadata,
): void {
  const destination = bytePath(action.destination);
  if (!action.createDestinationPath && tree.parent(rootPath(tree, destination)) === undefined) {
    throw new BuildError("CONTEXT", `failed to stat ${action.destination}: its directory does not exist`);
  }
  for (const start of selected) {
    // Each source has links of its own: names of one file that come by two sources become two files.
    new Placement(tree, source, action, metadata).place(start, destination);
  }
}

/** Makes the directory a destination path names or, without a trailing slash, the one it is in. */
function makeDestination(tree: WorkTree, destination: BytePath, metadata: CopyMetadata): void {
  const isDirectory = /(?:^|\/)\.?$/.test(destination);
  const directory = isDirectory ? destination : destination.slice(0, destination.lastIndexOf("/") + 1);
  makeDirectories(tree, rootPath(tree, directory), metadata.createdMode, metadata.owner);
}

class Placement {
  readonly #tree: WorkTree;
  readonly #source: FileTree;
  readonly #action: CopyAction;
  readonly #metadata: CopyMetadata;
  readonly #inodes = new Map<string, Inode>();
  readonly #directories = new Map<BytePath, WorkNode>();
  /** Times of directories, set when everything is in them. */
  readonly #times: { inode: Inode; mtimeNs: bigint }[] = [];

  constructor(tree: WorkTree, source: FileTree, action: CopyAction, metadata: CopyMetadata) {
    this.#tree = tree;
    this.#source = source;
    this.#action = action;
    this.#metadata = metadata;
  }

  place(start: SelectedSource, destination: BytePath): void {
    makeDestination(this.#tree, destination, this.#metadata);
    const [top] = start.items;
    if (top === undefined) return;
    const target = this.#target(start, top.entry, rootPath(this.#tree, destination));
    for (const item of start.items) this.#item(item, joinBytes(target, item.name));
    for (const { inode, mtimeNs } of this.#times) inode.mtimeNs = mtimeNs;
  }

  /** Where the top of the selection goes: the destination or, if that is a directory, a name in it. */
  #target(start: SelectedSource, top: Entry, destination: BytePath): BytePath {
    const existing = this.#tree.find(destination);
    const isDirectory = top.type === "dir";
    const mergesContents = isDirectory && this.#action.dirContentsOnly;
    const goesInside = isDirectory ? !mergesContents && existing !== undefined : existing?.inode.type === "dir";
    const target = goesInside ? joinBytes(destination, start.name) : destination;
    const made = mergesContents && existing === undefined ? target : parentOf(target);
    makeDirectories(this.#tree, made, this.#metadata.createdMode, this.#metadata.owner);
    return target;
  }

  #item(item: SelectedItem, target: BytePath): void {
    const { entry } = item;
    if (target === "") return this.#directory(item, this.#tree.root);
    const directory = this.#parentOf(target);
    const name = baseOf(target);
    let existing = this.#tree.child(directory, name);
    if (
      this.#action.alwaysReplace &&
      existing !== undefined &&
      !(entry.type === "dir" && existing.inode.type === "dir")
    ) {
      this.#tree.unlink(directory, name);
      existing = undefined;
    }
    if (entry.type !== "dir") {
      if (existing?.inode.type === "dir")
        throw new BuildError("CONTEXT", `cannot replace to directory /${displayPath(target)} with file`);
      this.#tree.link(directory, name, this.#file(item));
      return;
    }
    if (existing !== undefined && existing.inode.type !== "dir") {
      throw new BuildError("CONTEXT", `cannot copy to non-directory: /${displayPath(target)}`);
    }
    const made = existing === undefined;
    const node = existing ?? this.#tree.link(directory, name, this.#copied(item));
    this.#directories.set(target, node);
    this.#directory(item, node, made);
  }

  // A directory that was there keeps owner and mode only at the top of the selection, and its time nowhere.
  #directory(item: SelectedItem, node: WorkNode, made = false): void {
    const { inode } = node;
    if (item.isParentOnly) {
      if (made) inode.mtimeNs = this.#tree.nowNs;
      else inode.mode = item.entry.mode;
      return;
    }
    if (!made && item.name !== "") {
      const copied = this.#copied(item);
      Object.assign(inode, { mode: copied.mode, uid: copied.uid, gid: copied.gid });
      if (copied.xattrs !== undefined) inode.xattrs = { ...inode.xattrs, ...copied.xattrs };
    }
    this.#times.push({ inode, mtimeNs: this.#metadata.mtimeNs ?? item.entry.mtimeNs });
  }

  #parentOf(target: BytePath): WorkNode {
    const path = parentOf(target);
    const known = this.#directories.get(path) ?? this.#tree.parent(target);
    if (known === undefined) throw new BuildError("CONTEXT", `/${displayPath(path)} is not a directory`);
    this.#directories.set(path, known);
    return known;
  }

  /** The inode of a file: of several names that the selection has of it, the same. */
  #file(item: SelectedItem): Inode {
    if (item.entry.type !== "file") return this.#copied(item);
    const key = this.#source.inode(item.path);
    const known = this.#inodes.get(key);
    if (known !== undefined) return known;
    const inode = this.#copied(item);
    inode.content = { kind: "tree", tree: this.#source, path: item.path };
    this.#inodes.set(key, inode);
    return inode;
  }

  #copied({ entry }: SelectedItem): Inode {
    const inode = inodeOfEntry(entry);
    const { owner, mode } = this.#metadata;
    if (this.#action.resetOwner) inode.uid = inode.gid = 0;
    if (owner !== undefined) Object.assign(inode, owner);
    if (mode !== undefined && entry.type !== "symlink") inode.mode = mode(entry.mode, entry.type === "dir");
    if (this.#metadata.mtimeNs !== undefined) inode.mtimeNs = this.#metadata.mtimeNs;
    inode.xattrs = keptXattrs(entry);
    return inode;
  }
}

/** Only capabilities reach layers; a copy keeps them even when it changes the owner, as it sets them last. */
export function keptXattrs(entry: Pick<Entry, "xattrs">): Inode["xattrs"] {
  const capability = entry.xattrs?.["security.capability"];
  return capability && { "security.capability": capability };
}
