// How the rootfs of a RUN comes to be and what remains of it. Two ways behind one
// interface: overlay (the kernel stacks the layers' directories) and copy (one plain
// tree, compared with itself afterwards), for file systems that cannot hold an upper.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { displayPath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { LayerIndex } from "../layer/index-file.ts";
import type { StoredLayer } from "./ref.ts";

/** A stack for an overlay mount, topmost first (the same shape as the executor's). */
export interface Stack {
  readonly lowers: readonly string[];
  readonly upper?: string;
  readonly work?: string;
}

/** What the executor gets as root, or as source of a mount. */
export type PreparedRoot =
  | { readonly kind: "overlay"; readonly stack: Stack; readonly readonly: boolean }
  | {
      readonly kind: "directory";
      readonly path: string;
      readonly readonly: boolean;
      /** The directories that an overlay would have merged (see `mergedDirectories`). */
      readonly merged: () => readonly BytePath[];
    };

/** What a step changed: a directory in overlay form that the caller now owns, and a way to list it once it is in its final place. */
export interface Frozen {
  readonly directory: string;
  /** Index of the new layer; `directory` is where the caller moved it. */
  index(directory: string, signal: AbortSignal): Promise<LayerIndex>;
}

/** Absolute paths that are no changes of a step's. */
export interface SkippedPaths {
  /** What the runtime made. */
  readonly ignore: readonly BytePath[];
  /** What nobody wants in a layer, with all that is below it. */
  readonly leaveOut?: readonly BytePath[];
}

/** A rootfs in use. Disposing it removes everything but what `freeze` gave away. */
export interface Prepared extends AsyncDisposable {
  readonly root: PreparedRoot;
  /** Ends the use, after the process is gone; call once. Throws `SharedFileChanged`. */
  freeze(skipped: SkippedPaths, signal: AbortSignal): Promise<Frozen>;
}

/**
 * A step changed a file by one of several names that it has in the layers below. An overlay would have changed that name
 * alone; where there is none, the step has to have its rootfs with these names apart.
 */
export class SharedFileChanged extends BuildError {
  readonly names: readonly BytePath[];

  constructor(names: readonly BytePath[]) {
    const all = names.map((name) => `"/${displayPath(name)}"`);
    const list = all.length > 4 ? `${all.slice(0, 3).join(", ")} and ${all.length - 3} more` : all.join(", ");
    super(
      "SANDBOX",
      `the step changed a file by one of its names (${list}), which without an overlay changes all of them`,
    );
    this.names = names;
  }
}

export interface Snapshotter {
  readonly kind: "overlay" | "copy";
  /** Why it is not the better one, where nobody asked for it. */
  readonly note?: string;
  /**
   * A rootfs of these layers (bottom first). With `writable`, changes are kept until it is disposed; otherwise the tree is
   * read-only. `apart`: names of files that share none (see `SharedFileChanged`); an overlay needs no such word.
   */
  prepare(
    layers: readonly StoredLayer[],
    writable: boolean,
    signal: AbortSignal,
    apart?: readonly BytePath[],
  ): Promise<Prepared>;
}
