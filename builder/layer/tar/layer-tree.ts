// What a layer's tar has built so far, in memory: the members that came, with later ones
// replacing earlier ones, links resolved inside the layer, whiteouts normalised. apply.ts
// decides by this tree where a member goes, so the disk is never asked and no link on it
// ever followed.
//
// Names are resolved within the layer alone, as containerd does when it unpacks into an
// overlay: a member below a link that a *lower* layer has becomes a real directory here;
// one below a link of the *same* layer goes where the link points, never above the root.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { joinBytes } from "../../core/bytes/byte-path.ts";
import type { Entry } from "../entry.ts";
import { linkEntry } from "../order.ts";
import { invalidArchive } from "./tar-format.ts";

/** A file as all its names share it. */
export interface Inode {
  entry: Entry;
  /** Which member of the archive has its content. */
  readonly member: number;
  readonly names: Set<TreeNode>;
}

/** A path. */
export interface TreeNode {
  readonly path: BytePath;
  readonly parent: TreeNode | undefined;
  /** Of a directory, and only of one. */
  readonly children: Map<BytePath, TreeNode> | undefined;
  /** Absent for a directory that no member lists. */
  inode: Inode | undefined;
  /** A directory that hides what is below it. */
  isOpaque: boolean;
  readonly order: number;
}

/** The tree; `makeDirectory` is called for every directory that comes into being, `remove` for whatever goes. */
export class LayerTree {
  readonly root: TreeNode = {
    path: "",
    parent: undefined,
    children: new Map(),
    inode: undefined,
    isOpaque: false,
    order: -1,
  };
  readonly #makeDirectory: (node: TreeNode) => void;
  readonly #remove: (node: TreeNode) => void;
  #order = 0;
  /** Directories by the path that members used for them; emptied when a directory or link goes. */
  #known = new Map<BytePath, TreeNode>();

  constructor(makeDirectory: (node: TreeNode) => void, remove: (node: TreeNode) => void) {
    this.#makeDirectory = makeDirectory;
    this.#remove = remove;
  }

  /** The directory at a clean path; made with its parents when missing. Throws `ARCHIVE_INVALID` when it is a file. */
  directory(path: BytePath): TreeNode {
    if (path === "") return this.root;
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const found = this.#walk(this.root, path.split("/"), { links: 0, name: path });
    this.#known.set(path, found);
    return found;
  }

  /** Finds a path without making anything; a link at its end is not followed. */
  find(parent: TreeNode, name: BytePath): TreeNode | undefined {
    return parent.children?.get(name);
  }

  /** Puts something that is no directory at a name; what was there goes. */
  put(parent: TreeNode, name: BytePath, inode: Inode): TreeNode {
    const path = joinBytes(parent.path, name);
    const before = parent.children?.get(name);
    if (before !== undefined) this.#drop(before);
    const node = this.#add(parent, name, path, undefined, inode);
    inode.names.add(node);
    return node;
  }

  /** Puts a directory at a name; one that is there stays with all it holds and gets the new attributes. */
  putDirectory(parent: TreeNode, name: BytePath, inode: Inode): TreeNode {
    const node = this.#ensureDirectory(parent, name);
    node.inode = inode;
    inode.names.add(node);
    return node;
  }

  /** Hides a path of lower layers. What this layer itself has there stays, so a directory becomes opaque. Gives the new node, if one was needed. */
  putWhiteout(parent: TreeNode, name: BytePath, entry: Entry): TreeNode | undefined {
    const there = parent.children?.get(name);
    if (there === undefined) return this.put(parent, name, { entry, member: -1, names: new Set() });
    if (there.children !== undefined) there.isOpaque = true;
    return undefined;
  }

  /** The entries in the order in which their members came; the first name of each inode is the file. */
  entries(): Entry[] {
    const found: { order: number; entry: Entry }[] = [];
    const collect = (node: TreeNode): void => {
      const { inode, order } = node;
      if (inode !== undefined) found.push({ order, entry: entryAt(node, inode) });
      if (node.isOpaque) {
        found.push({
          order: order + 0.5,
          entry: { path: node.path, type: "opaque", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n },
        });
      }
      for (const child of node.children?.values() ?? []) collect(child);
    };
    collect(this.root);
    return found.sort((a, b) => a.order - b.order).map(({ entry }) => entry);
  }

  /** All directories, the deepest first. */
  directories(): TreeNode[] {
    const found: TreeNode[] = [];
    const collect = (node: TreeNode): void => {
      for (const child of node.children?.values() ?? []) if (child.children !== undefined) collect(child);
      found.push(node);
    };
    collect(this.root);
    return found;
  }

  #walk(from: TreeNode, parts: readonly BytePath[], walk: { links: number; name: BytePath }): TreeNode {
    let at = from;
    for (const part of parts) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        at = at.parent ?? at;
        continue;
      }
      const child = at.children?.get(part);
      if (child?.inode?.entry.type === "symlink") {
        if (++walk.links > 40) throw invalidArchive("it lies behind too many links", walk.name);
        const target = child.inode.entry.link ?? "";
        at = this.#walk(target.startsWith("/") ? this.root : at, target.split("/"), walk);
      } else if (child !== undefined && child.children === undefined && child.inode?.entry.type !== "whiteout") {
        throw invalidArchive("it lies inside a file", walk.name);
      } else {
        at = this.#ensureDirectory(at, part);
      }
    }
    return at;
  }

  #ensureDirectory(parent: TreeNode, name: BytePath): TreeNode {
    const before = parent.children?.get(name);
    if (before?.children !== undefined) return before;
    // Something new inside what lower layers lose: nothing of theirs shows through.
    const isOpaque = before?.inode?.entry.type === "whiteout";
    if (before !== undefined) this.#drop(before);
    const node = this.#add(parent, name, joinBytes(parent.path, name), new Map(), undefined);
    node.isOpaque = isOpaque;
    this.#makeDirectory(node);
    return node;
  }

  #add(
    parent: TreeNode,
    name: BytePath,
    path: BytePath,
    children: TreeNode["children"],
    inode: Inode | undefined,
  ): TreeNode {
    const node: TreeNode = { path, parent, children, inode, isOpaque: false, order: this.#order++ };
    parent.children?.set(name, node);
    return node;
  }

  #drop(node: TreeNode): void {
    this.#remove(node);
    const forget = (gone: TreeNode): void => {
      gone.inode?.names.delete(gone);
      for (const child of gone.children?.values() ?? []) forget(child);
    };
    forget(node);
    if (node.children !== undefined || node.inode?.entry.type === "symlink") this.#known = new Map();
  }
}

function entryAt(node: TreeNode, inode: Inode): Entry {
  if (inode.names.size <= 1) return inode.entry.path === node.path ? inode.entry : { ...inode.entry, path: node.path };
  let first = node;
  for (const name of inode.names) if (name.order < first.order) first = name;
  return first === node ? { ...inode.entry, path: node.path } : linkEntry(inode.entry, node.path, first.path);
}
