// A ref is the result of a vertex: a stack of layers, bottom first. A layer is stored
// once under its id and can be had as an index, as a directory in overlay form, or as a
// blob; each form is made from another one the first time somebody wants it.

import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import type { ContentSource, Entry } from "../layer/entry.ts";
import type { CompressionOptions, FoundString } from "../layer/jobs/jobs.ts";
import type { BytePath } from "../core/bytes/byte-path.ts";
import type { RootDirectory } from "./root-directory.ts";

/** A layer's blob and its uncompressed identity. */
export interface LayerBlob {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly uncompressedSize: number;
}

/** Which blob of a layer is wanted. */
export interface BlobOptions extends CompressionOptions {
  /** Ceiling of all mtimes in ns (SOURCE_DATE_EPOCH); never applied to layers that came with an image. */
  readonly maxMtimeNs?: bigint;
  /** Layers that came with an image keep their blob unless this is true. */
  readonly force?: boolean;
}

/** One stored layer. Immutable once made; methods may be called at the same time and do the work once. */
export interface StoredLayer {
  readonly id: string;
  /** When a step made it, in ms since the epoch; undefined for a layer that came with an image. */
  readonly createdMs: number | undefined;
  /** What the root directory looked like when the step that made it ended; undefined for an image's or a copy's. */
  readonly root: RootDirectory | undefined;
  /** Entries in tar order. */
  index(signal: AbortSignal): Promise<readonly Entry[]>;
  /** Absolute path of its directory in overlay form; unpacked now if it was only a blob. Needs privileges where owners differ. */
  directory(signal: AbortSignal): Promise<string>;
  /** Whether it lies in the store as a directory. */
  hasDirectory(): boolean;
  /** Unpacks its blob into a new directory of the caller's, in overlay form; its index is known then. For a layer that has a blob. */
  unpackTo(directory: string, signal: AbortSignal): Promise<void>;
  /** Whether such a blob was made before. */
  hasBlob(options: BlobOptions): boolean;
  /** Such a blob, as it was made before or lies elsewhere, with the name of its form; nothing is made or fetched. */
  knownBlob(options: BlobOptions): (LayerBlob & { readonly variant: string }) | undefined;
  /** Whether its bytes are in the store; an image's layer can always be had. */
  isHere(): Promise<boolean>;
  /** Its blob in the store, as wanted; packed now if there is none. */
  blob(options: BlobOptions, signal: AbortSignal): Promise<LayerBlob>;
  /** Where byte strings (at least one) stand in it. */
  look(strings: readonly Uint8Array[], signal: AbortSignal): Promise<readonly FoundString[]>;
  /** Where the bytes of some of its regular files can be read without privileges beyond this process's. */
  sources(paths: readonly BytePath[], signal: AbortSignal): Promise<ReadonlyMap<BytePath, ContentSource>>;
}

/** A rootfs: layers, bottom first. No layers is `scratch`. */
export interface Ref {
  readonly layers: readonly StoredLayer[];
}
