// Where a layer's tar is cut into blocks that are compressed on their own. The cut is part
// of the blob's format: the same tar gives the same blocks on every machine, whatever its
// number of cores, and one changed file changes one or two blocks, so that the rest can be
// taken from a cache or is known to a registry already.

import type { BytePath } from "../../core/bytes/byte-path.ts";

/**
 * Changing any of these changes the digest of every blob we write.
 *
 * - A block may end before an entry (its pax header, if it has one, belongs to it) once it has `leastBytes`,
 *   and does where the hash of the entry's path says so. The chance grows with the entry's size, so that
 *   blocks have about `leastBytes + typicalBytes` whether files are small or large.
 * - No entry is begun in a block that cannot hold it whole, and no block is longer than `mostBytes`.
 * - A file of at least `largeFileBytes` begins a block, and is cut every `largeFileBytes` of its content.
 */
export const BLOCK_FORMAT = {
  version: 1,
  leastBytes: 256 << 10,
  typicalBytes: 768 << 10,
  mostBytes: 2 << 20,
  largeFileBytes: 1 << 20,
} as const;

/** Whether a block of `usedBytes` ends before this entry, whose headers, content and padding take `entryBytes`. */
export function endsBefore(usedBytes: number, path: BytePath, entryBytes: number, contentBytes: number): boolean {
  if (usedBytes === 0) return false;
  if (contentBytes >= BLOCK_FORMAT.largeFileBytes || usedBytes + entryBytes > BLOCK_FORMAT.mostBytes) return true;
  if (usedBytes < BLOCK_FORMAT.leastBytes) return false;
  // The size counts as the next power of two: a file that grows a little keeps its chance.
  const weight = 2 ** Math.ceil(Math.log2(entryBytes));
  return hashOf(path) < (weight / BLOCK_FORMAT.typicalBytes) * 2 ** 32;
}

/** 32 bits of a path's bytes: FNV-1a, finished as murmur3 is, so that near names are far apart. */
function hashOf(path: BytePath): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
