// The merged index of a stack of layers as a tree of directories. An index never changes; one with more layers on top
// shares with it all that these do not touch, so a chain of steps costs what the steps change. Whiteouts of a layer hide
// only what is below that layer, wherever in its tar they stand.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, parentOf } from "../../core/bytes/byte-path.ts";
import { SortedMap } from "../../core/sorted-map.ts";
import type { Entry } from "../entry.ts";
import type { StackedLayer } from "./view-layer.ts";

/** A name of the merged tree. Hard links share `entry`, whose path is then the name that carries the content. */
export interface IndexNode {
  readonly entry: Entry;
  /** The layer that holds the entry; undefined for a root that no layer lists. */
  readonly layer: StackedLayer | undefined;
  /** Whether several names of the layer share the entry. */
  readonly linked: boolean;
  /** Of directories only. */
  readonly children: SortedMap<IndexNode> | undefined;
}

export class ViewIndex {
  readonly root: IndexNode;
  // Names are mostly asked for one directory after the other.
  #lastPath: BytePath = "";
  #lastDirectory: IndexNode | undefined;

  constructor(root: IndexNode = EMPTY_ROOT) {
    this.root = root;
    this.#lastDirectory = root;
  }

  /** What is at a path; links are not followed. */
  find(path: BytePath): IndexNode | undefined {
    if (path === "") return this.root;
    const parent = parentOf(path);
    if (parent !== this.#lastPath) {
      this.#lastDirectory = this.#walk(parent);
      this.#lastPath = parent;
    }
    return this.#lastDirectory?.children?.get(baseOf(path));
  }

  /** The index with layers on top, the lowest first. */
  above(layers: readonly StackedLayer[]): ViewIndex {
    const draft = new Draft(this.root);
    for (const layer of layers) draft.apply(layer);
    return new ViewIndex(draft.finish());
  }

  #walk(path: BytePath): IndexNode | undefined {
    let node: IndexNode | undefined = this.root;
    if (path === "") return node;
    for (const name of path.split("/")) node = node?.children?.get(name);
    return node;
  }
}

const EMPTY_ROOT: IndexNode = {
  entry: { path: "", type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n },
  layer: undefined,
  linked: false,
  children: SortedMap.empty(),
};

/** A directory while layers are applied. */
interface DraftDirectory {
  entry: Entry;
  layer: StackedLayer | undefined;
  /** Its names before. */
  below: SortedMap<IndexNode> | undefined;
  /** Names that are new or changed; undefined: gone. */
  readonly names: Map<BytePath, DraftDirectory | IndexNode | undefined>;
}

class Draft {
  readonly #root: DraftDirectory;
  // Names come sorted or nearly so: most are in the directory of the one before.
  #lastPath: BytePath | undefined;
  #lastDirectory: DraftDirectory | undefined;

  constructor(root: IndexNode) {
    this.#root = draftOf(root);
  }

  /** Puts a layer on top. */
  apply(layer: StackedLayer): void {
    const { entries } = layer.layer;
    for (const entry of entries) {
      if (entry.type === "whiteout") this.#remove(entry.path);
      else if (entry.type === "opaque") this.#empty(entry.path);
    }
    for (const entry of entries) this.#add(entry, layer);
  }

  finish(): IndexNode {
    return finished(this.#root);
  }

  #remove(path: BytePath): void {
    const directory = this.#directory(parentOf(path));
    if (directory === undefined || nameIn(directory, baseOf(path)) === undefined) return;
    directory.names.set(baseOf(path), undefined);
    this.#forget();
  }

  #empty(path: BytePath): void {
    const directory = this.#directory(path);
    if (directory === undefined) return;
    directory.below = undefined;
    directory.names.clear();
    this.#forget();
  }

  #add(entry: Entry, layer: StackedLayer): void {
    if (entry.type === "whiteout" || entry.type === "opaque") return;
    if (entry.path === "") {
      this.#root.entry = entry;
      this.#root.layer = layer;
      return;
    }
    const parent = this.#madeDirectory(parentOf(entry.path), layer);
    const name = baseOf(entry.path);
    if (entry.type === "hardlink") {
      const target = this.#shared(entry.link ?? "");
      // A link to nothing is an error of whoever wrote the layer; unpacking it says so.
      if (target !== undefined) this.#replace(parent, name, target);
      return;
    }
    if (entry.type === "dir") {
      const directory = this.#opened(parent, name);
      if (directory === undefined) parent.names.set(name, { entry, layer, below: undefined, names: new Map() });
      else Object.assign(directory, { entry, layer });
      return;
    }
    const { lowerNames, ...plain } = entry;
    const file = { entry: lowerNames === undefined ? entry : plain, layer, linked: false, children: undefined };
    this.#replace(parent, name, file);
    if (lowerNames !== undefined) this.#share(parent, name, file, lowerNames);
  }

  /** Puts something that is no directory under a name, whatever was there. */
  #replace(parent: DraftDirectory, name: BytePath, node: IndexNode): void {
    const old = nameIn(parent, name);
    if (old !== undefined && isDirectory(old)) this.#forget();
    parent.names.set(name, node);
  }

  /** Makes names of lower layers names of this file. What a copy takes from here is a file of its own. */
  #share(parent: DraftDirectory, name: BytePath, file: IndexNode, names: readonly BytePath[]): void {
    const shared = { ...file, linked: true };
    for (const other of names) {
      const directory = this.#directory(parentOf(other));
      if (directory === undefined || nameIn(directory, baseOf(other))?.entry.type !== "file") continue;
      directory.names.set(baseOf(other), shared);
      parent.names.set(name, shared);
    }
  }

  /** What is at a path, to be given one more name. */
  #shared(path: BytePath): IndexNode | undefined {
    const directory = this.#directory(parentOf(path));
    const node = directory && nameIn(directory, baseOf(path));
    if (directory === undefined || node === undefined || isDraft(node) || isDirectory(node)) return undefined;
    const shared = node.linked ? node : { ...node, linked: true };
    directory.names.set(baseOf(path), shared);
    return shared;
  }

  /** The directory at a path, if there is one. */
  #directory(path: BytePath): DraftDirectory | undefined {
    if (path === "") return this.#root;
    if (path === this.#lastPath) return this.#lastDirectory;
    let directory: DraftDirectory | undefined = this.#root;
    for (const name of path.split("/")) {
      directory = this.#opened(directory, name);
      if (directory === undefined) return undefined;
    }
    this.#remember(path, directory);
    return directory;
  }

  /** A directory in another one, so that it can be changed. */
  #opened(parent: DraftDirectory, name: BytePath): DraftDirectory | undefined {
    const node = nameIn(parent, name);
    if (node === undefined || isDraft(node)) return node;
    if (node.children === undefined) return undefined;
    const opened = draftOf(node);
    parent.names.set(name, opened);
    return opened;
  }

  /** As `#directory`; what is missing, or no directory, is made. */
  #madeDirectory(path: BytePath, layer: StackedLayer): DraftDirectory {
    const known = this.#directory(path);
    if (known !== undefined) return known;
    const parent = this.#madeDirectory(parentOf(path), layer);
    const entry: Entry = { path, type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
    const made: DraftDirectory = { entry, layer, below: undefined, names: new Map() };
    parent.names.set(baseOf(path), made);
    this.#remember(path, made);
    return made;
  }

  #remember(path: BytePath, directory: DraftDirectory): void {
    this.#lastPath = path;
    this.#lastDirectory = directory;
  }

  #forget(): void {
    this.#lastPath = undefined;
    this.#lastDirectory = undefined;
  }
}

function draftOf({ entry, layer, children }: IndexNode): DraftDirectory {
  return { entry, layer, below: children, names: new Map() };
}

function isDraft(node: DraftDirectory | IndexNode): node is DraftDirectory {
  return "names" in node;
}

function isDirectory(node: DraftDirectory | IndexNode): boolean {
  return isDraft(node) || node.children !== undefined;
}

function nameIn({ names, below }: DraftDirectory, name: BytePath): DraftDirectory | IndexNode | undefined {
  return names.has(name) ? names.get(name) : below?.get(name);
}

function finished({ entry, layer, below, names }: DraftDirectory): IndexNode {
  const changes = Array.from(names, ([name, node]): [BytePath, IndexNode | undefined] => [
    name,
    node !== undefined && isDraft(node) ? finished(node) : node,
  ]);
  return { entry, layer, linked: false, children: (below ?? SortedMap.empty<IndexNode>()).withAll(changes) };
}
