// A rootfs view: a stack of layer indexes seen as one file tree, top wins, whiteouts
// honoured, nothing mounted. It answers stat, readlink, readdir and readFile.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import type { ContentSource, Entry } from "../entry.ts";
import type { FileTree } from "../tree/file-tree.ts";
import { hashSources } from "../tree/hash-files.ts";
import { comparePaths, linkEntry } from "../order.ts";
import { readTreeFile } from "../tree/read-tree-file.ts";
import type { ResolvedPath } from "../tree/resolve-path.ts";
import { resolvePath } from "../tree/resolve-path.ts";
import type { IndexNode } from "./view-index.ts";
import { ViewIndex } from "./view-index.ts";
import type { StackedLayer, ViewLayer } from "./view-layer.ts";

/** A path of the merged tree. */
export interface ViewNode {
  /** Its entry; for a hard link the entry of the file itself, under this path. Implied directories (a tar without them) are 0755 0:0. */
  readonly entry: Entry;
  /** Number of the layer, from 0 at the bottom, that holds it. */
  readonly layer: number;
  /** Names the inode: equal for hard links of one file. */
  readonly inode: string;
}

/** The merged tree of some layers, bottom first. Its index is made when it is first asked. */
export class RootfsView implements FileTree {
  readonly immutable = true;
  readonly origin = "image";
  /** How many layers it has, with those of the view below. */
  readonly depth: number;
  readonly #layers: readonly StackedLayer[];
  readonly #below: RootfsView | undefined;
  #index: ViewIndex | undefined;

  /** With `below`, a view whose layers lie under the given ones: it costs what these change. */
  constructor(layers: readonly ViewLayer[], below?: RootfsView) {
    const first = below?.depth ?? 0;
    this.#layers = layers.map((layer, at) => ({ layer, number: first + at, digests: new Map() }));
    this.#below = below;
    this.depth = first + layers.length;
  }

  /** What is at a path, links not followed; undefined where nothing is. */
  node(path: BytePath): ViewNode | undefined {
    const node = this.#tree().find(path);
    return node && { entry: entryAt(node, path), layer: node.layer?.number ?? 0, inode: inodeOf(node) };
  }

  lstat(path: BytePath): Entry | undefined {
    const node = this.#tree().find(path);
    return node && entryAt(node, path);
  }

  /** The root directory, where a layer says what it is like. */
  listedRoot(): ViewNode | undefined {
    return this.#tree().root.layer === undefined ? undefined : this.node("");
  }

  list(path: BytePath): readonly BytePath[] {
    const children = this.#tree().find(path)?.children;
    return children?.names() ?? [];
  }

  inode(path: BytePath): string {
    const node = this.#tree().find(path);
    return node ? inodeOf(node) : `missing:${path}`;
  }

  /** Follows symlinks as a process in this rootfs would; see `resolvePath`. */
  resolve(path: BytePath, options: { readonly followLast: boolean }): ResolvedPath {
    return resolvePath(this, path, options);
  }

  async digests(paths: readonly BytePath[], signal: AbortSignal): Promise<ReadonlyMap<BytePath, Digest>> {
    const found = new Map<BytePath, Digest>();
    const unknown: BytePath[] = [];
    for (const path of paths) {
      const node = this.#tree().find(path);
      const digest = node?.entry.digest ?? node?.layer?.digests.get(node.entry.path);
      if (digest) found.set(path, digest);
      else unknown.push(path);
    }
    if (unknown.length === 0) return found;
    const hashed = await hashSources(await this.sources(unknown, signal), signal);
    for (const [path, { digest }] of hashed) {
      const node = this.#tree().find(path);
      node?.layer?.digests.set(node.entry.path, digest);
      found.set(path, digest);
    }
    return found;
  }

  async sources(paths: readonly BytePath[], signal: AbortSignal): Promise<ReadonlyMap<BytePath, ContentSource>> {
    const wanted = new Map<ViewLayer, Map<BytePath, BytePath[]>>();
    for (const path of paths) {
      const node = this.#tree().find(path);
      if (node?.entry.type !== "file" || node.layer === undefined)
        throw new BuildError("INTERNAL", `"${path}" is not a regular file of this rootfs`);
      const files = wanted.get(node.layer.layer) ?? new Map<BytePath, BytePath[]>();
      wanted.set(node.layer.layer, files);
      const names = files.get(node.entry.path);
      if (names) names.push(path);
      else files.set(node.entry.path, [path]);
    }
    const found = new Map<BytePath, ContentSource>();
    for (const [layer, names] of wanted) {
      signal.throwIfAborted();
      for (const [inLayer, source] of await layer.sources([...names.keys()])) {
        for (const path of names.get(inLayer) ?? []) found.set(path, source);
      }
    }
    return found;
  }

  /** A whole regular file, links followed inside the root; undefined if nothing is there. Throws when it is larger or no regular file. */
  async readFile(path: BytePath, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return await readTreeFile(this, path, maxBytes, signal);
  }

  /** Everything but the root, sorted as layers are; of several names of a file all but the first are hard links to it. */
  entries(): Entry[] {
    const nodes: [BytePath, IndexNode][] = [];
    const collect = (directory: IndexNode, prefix: string): void => {
      directory.children?.forEach((node, name) => {
        nodes.push([prefix + name, node]);
        if (node.children) collect(node, `${prefix}${name}/`);
      });
    };
    collect(this.#tree().root, "");
    nodes.sort(([a], [b]) => comparePaths(a, b));
    const first = new Map<string, BytePath>();
    return nodes.map(([path, node]) => {
      if (node.entry.type !== "file" || !node.linked) return entryAt(node, path);
      const target = first.get(inodeOf(node));
      if (target === undefined) {
        first.set(inodeOf(node), path);
        return entryAt(node, path);
      }
      return linkEntry(node.entry, path, target);
    });
  }

  #tree(): ViewIndex {
    if (this.#index === undefined) {
      // Views below that nobody has asked yet need no index of their own.
      const stack: (readonly StackedLayer[])[] = [this.#layers];
      let below = this.#below;
      for (; below !== undefined && below.#index === undefined; below = below.#below) stack.push(below.#layers);
      const index = below === undefined ? undefined : below.#index;
      this.#index = (index ?? new ViewIndex()).above(stack.reverse().flat());
    }
    return this.#index;
  }
}

function entryAt(node: IndexNode, path: BytePath): Entry {
  return node.entry.path === path ? node.entry : { ...node.entry, path };
}

function inodeOf(node: IndexNode): string {
  return `${node.layer?.number ?? 0}:${node.entry.path}`;
}
