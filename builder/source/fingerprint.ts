// What must stay as it is for the digest of a file's content to hold: device, inode, size, mtime and ctime, as 40 bytes,
// one a character. Made for thousands of files, where the numbers as text would take longer than the system call.

import type { BigIntStats } from "node:fs";

/** Words of 64 bits, in the byte order of this machine: what it is kept for does not leave it. */
export const FINGERPRINT_WORDS = 5;

/** The five as one short string, for comparing. */
export type Fingerprint = string;

const words = new BigInt64Array(FINGERPRINT_WORDS);
const bytes = Buffer.from(words.buffer);

/** The fingerprint of a file. */
export function fingerprintOf(stat: BigIntStats): Fingerprint {
  writeFingerprint(stat, words, 0);
  return bytes.toString("latin1");
}

/** Puts it into an array of words. */
export function writeFingerprint(
  { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats,
  into: BigInt64Array,
  at: number,
): void {
  into[at] = dev;
  into[at + 1] = ino;
  into[at + 2] = size;
  into[at + 3] = mtimeNs;
  into[at + 4] = ctimeNs;
}

/** Since when files are sure not to look the same after they change, in ns since the epoch; and their device. */
export interface Settling {
  readonly device: bigint;
  readonly settledNs: bigint;
}

/** The settling of a fingerprint's file. */
export function settlingOf(fingerprint: Fingerprint): Settling {
  bytes.write(fingerprint, "latin1");
  const [device = 0n, , , mtimeNs = 0n, ctimeNs = 0n] = words;
  return { device, settledNs: settledNs(mtimeNs, ctimeNs) };
}

/**
 * When a file that has these times can no longer change and have them still. Times are exact to a tick of the kernel, 10 ms
 * at most; where they are whole seconds the file system may keep no more than that (ext4 with small inodes).
 */
export function settledNs(mtimeNs: bigint, ctimeNs: bigint): bigint {
  const latest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  return latest + (ctimeNs % SECOND_NS === 0n ? AFTER_SECONDS_NS : AFTER_TICKS_NS);
}

const SECOND_NS = 1_000_000_000n;
const AFTER_SECONDS_NS = 2n * SECOND_NS;
/** Twenty ticks: a clock that is set back by less than that finds the guard still up. */
const AFTER_TICKS_NS = SECOND_NS / 5n;
