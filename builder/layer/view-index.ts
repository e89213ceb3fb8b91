// The merged index of a stack of layers as a tree of directories. Whiteouts of a
// layer hide only what is below that layer, wherever in its tar they stand.

import type { BytePath } from "../core/byte-path.ts";
import { baseOf, parentOf } from "../core/byte-path.ts";
import type { Entry } from "./entry.ts";

/** A name of the merged tree. Hard links share `entry`, whose path is then the name that carries the content. */
export interface IndexNode {
  entry: Entry;
  /** Number of the layer that holds the entry. */
  layer: number;
  /** Whether several names of the layer share the entry. */
  linked: boolean;
  /** Of directories only. */
  children: Map<BytePath, IndexNode> | undefined;
}

export class ViewIndex {
  readonly root: IndexNode = {
    entry: { path: "", type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n },
    layer: 0,
    linked: false,
    children: new Map(),
  };
  // Names come sorted or nearly so: most are in the directory of the one before.
  #lastPath: BytePath | undefined;
  #lastDirectory: IndexNode | undefined;

  constructor(layers: readonly (readonly Entry[])[]) {
    layers.forEach((entries, number) => {
      this.#hide(entries);
      for (const entry of entries) this.#add(entry, number);
    });
  }

  /** What is at a path; links are not followed. */
  find(path: BytePath): IndexNode | undefined {
    if (path === "") return this.root;
    return this.#directory(parentOf(path))?.children?.get(baseOf(path));
  }

  #directory(path: BytePath): IndexNode | undefined {
    if (path === "") return this.root;
    if (path === this.#lastPath) return this.#lastDirectory;
    let node: IndexNode | undefined = this.root;
    for (const name of path.split("/")) {
      node = node.children?.get(name);
      if (node === undefined) return undefined;
    }
    this.#remember(path, node);
    return node;
  }

  #hide(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.type === "whiteout") this.#directory(parentOf(entry.path))?.children?.delete(baseOf(entry.path));
      else if (entry.type === "opaque") this.#directory(entry.path)?.children?.clear();
      else continue;
      this.#forget();
    }
  }

  #add(entry: Entry, layer: number): void {
    if (entry.type === "whiteout" || entry.type === "opaque") return;
    if (entry.path === "") {
      this.root.entry = entry;
      this.root.layer = layer;
      return;
    }
    const siblings = this.#madeDirectory(parentOf(entry.path), layer);
    const name = baseOf(entry.path);
    if (entry.type === "hardlink") {
      const target = this.find(entry.link ?? "");
      // A link to nothing is an error of whoever wrote the layer; unpacking it says so.
      if (target === undefined) return;
      target.linked = true;
      siblings.set(name, { ...target });
      return;
    }
    const old = siblings.get(name);
    if (entry.type === "dir" && old?.children) {
      old.entry = entry;
      old.layer = layer;
      return;
    }
    const node = { entry, layer, linked: false, children: entry.type === "dir" ? new Map() : undefined };
    siblings.set(name, node);
    if (old?.children) this.#forget();
    if (entry.lowerNames !== undefined) this.#share(node, entry.lowerNames);
  }

  /** Makes names of lower layers names of this file. What a copy takes from here is a file of its own. */
  #share(node: IndexNode, names: readonly BytePath[]): void {
    const { lowerNames: _names, ...entry } = node.entry;
    node.entry = entry;
    for (const name of names) {
      if (this.find(name)?.entry.type !== "file") continue;
      node.linked = true;
      this.#directory(parentOf(name))?.children?.set(baseOf(name), { ...node, linked: true });
    }
  }

  /** The names in a directory, which is made where the layers do not list it. */
  #madeDirectory(path: BytePath, layer: number): Map<BytePath, IndexNode> {
    const known = this.#directory(path);
    if (known?.children) return known.children;
    const siblings = this.#madeDirectory(parentOf(path), layer);
    const entry: Entry = { path, type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
    const children = new Map<BytePath, IndexNode>();
    const node = { entry, layer, linked: false, children };
    siblings.set(baseOf(path), node);
    this.#remember(path, node);
    return children;
  }

  #remember(path: BytePath, directory: IndexNode): void {
    this.#lastPath = path;
    this.#lastDirectory = directory;
  }

  #forget(): void {
    this.#lastPath = undefined;
    this.#lastDirectory = undefined;
  }
}
