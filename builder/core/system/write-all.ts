// Writing to an open file.

import { writeSync } from "node:fs";

/** Writes all of `bytes`, also where the kernel takes them in parts: at byte `position`, else where the file stands. How many they are. */
export function writeAll(fd: number, bytes: Uint8Array, position?: number): number {
  for (let at = 0; at < bytes.length;) {
    const to = position === undefined ? null : position + at;
    at += writeSync(fd, bytes, at, bytes.length - at, to);
  }
  return bytes.length;
}
