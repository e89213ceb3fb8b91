// What a rootfs view is made of.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import type { ContentSource, Entry } from "../entry.ts";

/** One layer of a view. */
export interface ViewLayer {
  readonly entries: readonly Entry[];
  /** Where the bytes of this layer's regular files are; asked for one path at a time, or many at once. */
  sources(paths: readonly BytePath[]): Promise<ReadonlyMap<BytePath, ContentSource>>;
}

/** A layer in a stack. Views that have it in common have this object in common. */
export interface StackedLayer {
  readonly layer: ViewLayer;
  /** Its place in the stack, from 0 at the bottom. */
  readonly number: number;
  /** Digests of files that the entries do not tell, as they become known. */
  readonly digests: Map<BytePath, Digest>;
}

/** A layer of which only the entries are looked at: the bytes of its files are nowhere. */
export function stackedLayer(entries: readonly Entry[], number: number): StackedLayer {
  return { layer: { entries, sources: () => Promise.resolve(new Map()) }, number, digests: new Map() };
}
