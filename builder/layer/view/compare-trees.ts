// What differs between two stacks of layers, path by path, and the layer that made it differ.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, parentOf } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { Entry } from "../entry.ts";
import { comparePaths } from "../order.ts";
import { RootfsView } from "./view.ts";

/** What may differ of a path that is on both sides. */
export type EntryField =
  "type" | "mode" | "owner" | "size" | "content" | "link" | "device" | "xattr" | "hardlink" | "time";

/** A layer of one of the sides, counted from 0 at the bottom. */
export interface LayerPlace {
  readonly side: "a" | "b";
  readonly layer: number;
}

export interface TreeChange {
  readonly kind: "added" | "changed" | "deleted";
  /** "" is the root directory. */
  readonly path: BytePath;
  readonly before?: Entry;
  readonly after?: Entry;
  /** Of a changed path; in the order of `EntryField`. */
  readonly fields: readonly EntryField[];
  /** The topmost layer that is not on both sides and touches the path. */
  readonly by: LayerPlace;
}

export interface TreeOptions {
  /** The lowest layers that are the same on both sides: what they hold is not looked at twice. */
  readonly sharedLayers: number;
  /** Whether times count. */
  readonly times: boolean;
}

type Layers = readonly (readonly Entry[])[];

/** Compares the merged trees, in the order in which layers are written. Layers are bottom first. */
export function compareTrees(a: Layers, b: Layers, options: TreeOptions): TreeChange[] {
  const makers = new Makers(a, b, options.sharedLayers);
  const changes: TreeChange[] = [];
  const [left, right] = [entriesOf(a), entriesOf(b)];
  const [filesOfA, filesOfB] = [filesBehind(left), filesBehind(right)];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const [before, after] = [left[i], right[j]];
    const order = before === undefined ? 1 : after === undefined ? -1 : comparePaths(before.path, after.path);
    if (order <= 0) i++;
    if (order >= 0) j++;
    const path = (order <= 0 ? before : after)?.path ?? "";
    if (order < 0 && before !== undefined) {
      changes.push({ kind: "deleted", path, before, fields: [], by: makers.of([path]) });
    } else if (order > 0 && after !== undefined) {
      changes.push({ kind: "added", path, after, fields: [], by: makers.of([path]) });
    } else if (before !== undefined && after !== undefined && before !== after) {
      const fields = differences(before, after, filesOfA(before), filesOfB(after), options.times);
      if (fields.length === 0) continue;
      const names = [path, ...linkOf(before), ...linkOf(after)];
      changes.push({ kind: "changed", path, before, after, fields, by: makers.of(names) });
    }
  }
  return changes;
}

function entriesOf(layers: Layers): readonly Entry[] {
  const view = new RootfsView(layers.map((entries) => ({ entries, sources: () => Promise.resolve(new Map()) })));
  const root = view.lstat("");
  return root === undefined ? view.entries() : [root, ...view.entries()];
}

/** The first name of the file that an entry is another name of: what happens to that one changes this one. */
function linkOf({ type, link }: Entry): BytePath[] {
  return type === "hardlink" && link !== undefined ? [link] : [];
}

/** The file that an entry is a name of: of a hard link the entry that has the content. */
function filesBehind(entries: readonly Entry[]): (entry: Entry) => Entry {
  let byPath: ReadonlyMap<BytePath, Entry> | undefined;
  return (entry) => {
    if (entry.type !== "hardlink") return entry;
    byPath ??= new Map(entries.map((one) => [one.path, one]));
    return byPath.get(entry.link ?? "") ?? entry;
  };
}

/** `a` and `b` as they are listed, and what they are names of. */
function differences(a: Entry, b: Entry, fileA: Entry, fileB: Entry, times: boolean): EntryField[] {
  if (fileA.type !== fileB.type) return ["type"];
  const found: EntryField[] = [];
  if (fileA.mode !== fileB.mode) found.push("mode");
  if (fileA.uid !== fileB.uid || fileA.gid !== fileB.gid) found.push("owner");
  if (fileA.size !== fileB.size) found.push("size");
  if (fileA.digest !== fileB.digest) found.push("content");
  if (a.type === "symlink" && a.link !== b.link) found.push("link");
  if (fileA.major !== fileB.major || fileA.minor !== fileB.minor) found.push("device");
  if (!sameXattrs(fileA, fileB)) found.push("xattr");
  if (a.type !== b.type || (a.type === "hardlink" && a.link !== b.link)) found.push("hardlink");
  if (times && fileA.mtimeNs !== fileB.mtimeNs) found.push("time");
  return found;
}

function sameXattrs({ xattrs: a = {} }: Entry, { xattrs: b = {} }: Entry): boolean {
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  if (left.length !== right.size) return false;
  return left.every(([name, value]) => {
    const other = right.get(name);
    return other !== undefined && Buffer.compare(value, other) === 0;
  });
}

/** Finds the layer that is responsible for a difference. */
class Makers {
  readonly #sides: readonly { readonly side: "a" | "b"; readonly layers: Layers }[];
  readonly #shared: number;
  readonly #touches = new Map<readonly Entry[], LayerTouches>();

  constructor(a: Layers, b: Layers, shared: number) {
    this.#sides = [
      { side: "b", layers: b },
      { side: "a", layers: a },
    ];
    this.#shared = shared;
  }

  /** The last layer of b that touches one of the paths; else that of a, which b then lacks. */
  of(paths: readonly BytePath[]): LayerPlace {
    const touching = this.#last((entries) => paths.some((path) => this.#touchesOf(entries).touches(path)));
    if (touching !== undefined) return touching;
    // A directory that no layer lists is there because of what is in it.
    const around = this.#last((entries) =>
      paths.some((path) => entries.some((entry) => entry.path.startsWith(`${path}/`))),
    );
    if (around !== undefined) return around;
    throw new BuildError("INTERNAL", `no layer is responsible for "${paths.map(displayPath).join('", "')}"`);
  }

  #last(isIt: (entries: readonly Entry[]) => boolean): LayerPlace | undefined {
    for (const { side, layers } of this.#sides) {
      const layer = layers.findLastIndex((entries, at) => at >= this.#shared && isIt(entries));
      if (layer >= 0) return { side, layer };
    }
    return undefined;
  }

  #touchesOf(entries: readonly Entry[]): LayerTouches {
    const known = this.#touches.get(entries) ?? new LayerTouches(entries);
    this.#touches.set(entries, known);
    return known;
  }
}

/** The paths that a layer says something of, by itself or by what it puts or takes away above them. */
class LayerTouches {
  readonly #own = new Set<BytePath>();
  /** What hides all that lower layers have below it. */
  readonly #hides = new Set<BytePath>();

  constructor(entries: readonly Entry[]) {
    for (const { path, type } of entries) {
      if (type !== "opaque") this.#own.add(path);
      if (type !== "dir") this.#hides.add(path);
    }
  }

  touches(path: BytePath): boolean {
    if (this.#own.has(path)) return true;
    for (let at = path; at !== "";) {
      at = parentOf(at);
      if (this.#hides.has(at)) return true;
    }
    return false;
  }
}
