// What garbage collection and `du` speak of: the things of a store that can go by themselves.

import type { ItemName } from "../core/space.ts";

/** BuildKit's types of cache records (client.UsageRecordType). */
export const ITEM_TYPES = [
  "internal",
  "frontend",
  "source.local",
  "source.git.checkout",
  "exec.cachemount",
  "regular",
] as const;
export type ItemType = (typeof ITEM_TYPES)[number];

/** What a thing is to us; the summary of `du` has a line for each. */
export const ITEM_KINDS = [
  "layer",
  "image data",
  "cache mount",
  "git repository",
  "download",
  "client context",
  "context digests",
  "unfinished download",
  "failed step",
  "lookup table",
] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

/** One thing that can go. Times in ms since the epoch. */
export interface DiskItem {
  /** Unique; what people write to name it. */
  readonly id: string;
  readonly kind: ItemKind;
  readonly type: ItemType;
  readonly description: string;
  /** Ids of what it stands on. */
  readonly parents: readonly string[];
  /** Whether it changes after it was made. */
  readonly mutable: boolean;
  /** Whether a process uses it: then it does not go. */
  readonly inUse: boolean;
  /** Whether a part of it belongs to an image with a name, too, and stays. */
  readonly shared: boolean;
  /** Bytes of the disk that it takes, without what others take, too. */
  readonly bytes: number;
  readonly createdMs: number;
  readonly usedMs: number;
  readonly uses: number;
  /** Of the last process that used it; orders items by age, whatever the clock did. */
  readonly lease: number;
  /** How many layers it stands on: what stands on others goes before them. */
  readonly depth: number;
  /** Absolute paths, which go together. */
  readonly paths: readonly string[];
  /** What nobody may use when it goes. */
  readonly locks: readonly ItemName[];
  /** Blobs that go with it unless something else needs them, too. */
  readonly blobs: readonly string[];
  /** Of a layer its id: the records that name it go with it. */
  readonly layer?: string;
}

/** An image with a name. It never goes by itself. */
export interface DiskImage {
  readonly name: string;
  /** Its blobs, without those that an earlier image in the list has, too. */
  readonly bytes: number;
}

/** All that lies in a store. */
export interface Inventory {
  /** What was used longest ago comes first. */
  readonly items: readonly DiskItem[];
  readonly images: readonly DiskImage[];
  /** By what it is: records, build records, what processes are working on, the store's own folders. */
  readonly others: ReadonlyMap<string, number>;
  /** The sum of all, as du(1) counts it. */
  readonly totalBytes: number;
  /** How many things need a blob, named images included. */
  readonly blobUsers: ReadonlyMap<string, number>;
  readonly blobBytes: ReadonlyMap<string, number>;
  /** The same for the ledger: its items, and the rest. */
  readonly account: {
    readonly items: ReadonlyMap<ItemName, { readonly bytes: number; readonly changedMs: number }>;
    readonly otherBytes: number;
  };
}
