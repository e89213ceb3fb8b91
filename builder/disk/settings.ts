// How much of the disk a store may have, and what goes first: as a person says it, and what that means on this disk.

import { statfsSync } from "node:fs";
import type { DiskItem } from "./items.ts";

/** Bytes, or a share of the file system on which the store lies. */
export type Amount = { readonly bytes: number } | { readonly percent: number };

/** What a rule of garbage collection wants, in BuildKit's words (client.PruneInfo). Of amounts, 0 says nothing. */
export interface DiskRule {
  /** Also what is kept for looking at (states of failed steps), and what images share. */
  readonly all: boolean;
  /** Only these; all where it is not said. */
  readonly filter?: (item: DiskItem) => boolean;
  /** The same in words, for whoever is told of the rule. */
  readonly filterTexts?: readonly string[];
  /** Nothing that was used within so many ms. */
  readonly keepMs: number;
  /** So much is always left. */
  readonly reserved: Amount;
  /** No more than so much is left. */
  readonly maxUsed: Amount;
  /** So much is to be free on the file system. */
  readonly minFree: Amount;
}

/** The settings of one store. */
export interface DiskSettings {
  /** The one hard limit: nothing is written that would pass it. */
  readonly ceiling: Amount;
  /** Applied in this order, after builds that wrote something; empty: nothing is collected but what the ceiling wants. */
  readonly rules: readonly DiskRule[];
}

const HOUR_MS = 3600 * 1000;
const NONE: Amount = { bytes: 0 };

/** BuildKit's defaults (cmd/buildkitd/config/gcpolicy.go, v0.31): a tenth is always kept, four fifths at most, a fifth stays free. */
const CAPS = { reserved: { percent: 10 }, maxUsed: { percent: 80 }, minFree: { percent: 20 } } as const;

/** Kinds that are made again from elsewhere: contexts, checkouts, downloads, cache mounts. */
const SHORT_LIVED = ["source.local", "exec.cachemount", "source.git.checkout"];

export const DEFAULT_SETTINGS: DiskSettings = {
  ceiling: CAPS.maxUsed,
  rules: [
    {
      all: false,
      filter: ({ type }) => SHORT_LIVED.includes(type),
      filterTexts: SHORT_LIVED.map((type) => `type==${type}`),
      keepMs: 48 * HOUR_MS,
      reserved: NONE,
      maxUsed: { bytes: 512e6 },
      minFree: NONE,
    },
    { all: false, keepMs: 60 * 24 * HOUR_MS, ...CAPS },
    { all: false, keepMs: 0, ...CAPS },
    { all: true, keepMs: 0, ...CAPS },
  ],
};

/** A file system, in bytes. */
export interface DiskSpace {
  readonly size: number;
  /** For this user. */
  readonly free: number;
}

/** The file system of a store. */
export function diskSpace(root: string): DiskSpace {
  const { bsize, blocks, bavail } = statfsSync(root);
  return { size: bsize * blocks, free: bsize * bavail };
}

/** An amount in bytes. */
export function bytesOf(amount: Amount, { size }: DiskSpace): number {
  return "bytes" in amount ? amount.bytes : Math.floor((size * amount.percent) / 100);
}

/**
 * How many bytes a rule leaves of `used` ones; undefined when it sets no limit, and so takes all that it may (BuildKit,
 * cache/manager.go, calculateKeepBytes).
 */
export function bytesToKeep(rule: DiskRule, used: number, disk: DiskSpace): number | undefined {
  const reserved = bytesOf(rule.reserved, disk);
  const maxUsed = bytesOf(rule.maxUsed, disk);
  const minFree = bytesOf(rule.minFree, disk);
  if (reserved === 0 && maxUsed === 0 && minFree === 0) return undefined;
  const lacking = minFree - disk.free;
  // Where nothing else is said, what is reserved is what stays.
  const most = maxUsed === 0 && minFree !== 0 ? used : maxUsed;
  const keep = lacking > 0 ? Math.min(most, used - lacking) : most;
  return Math.max(keep, reserved);
}
