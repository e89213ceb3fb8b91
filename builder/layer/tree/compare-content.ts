// Whether two files of the same size hold the same bytes.

import { closeSync, openSync, readSync } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { fsPath } from "../../core/bytes/byte-path.ts";

/** Compares with two buffers that are made once. */
export class ContentComparer {
  readonly #buffers = [Buffer.allocUnsafeSlow(BUFFER_BYTES), Buffer.allocUnsafeSlow(BUFFER_BYTES)] as const;

  isEqual(a: BytePath, b: BytePath): boolean {
    const [left, right] = this.#buffers;
    const first = openSync(fsPath(a), "r");
    try {
      const second = openSync(fsPath(b), "r");
      try {
        for (;;) {
          const length = readFully(first, left);
          if (length !== readFully(second, right)) return false;
          if (!left.subarray(0, length).equals(right.subarray(0, length))) return false;
          if (length < BUFFER_BYTES) return true;
        }
      } finally {
        closeSync(second);
      }
    } finally {
      closeSync(first);
    }
  }
}

const BUFFER_BYTES = 256 << 10;

function readFully(fd: number, buffer: Buffer): number {
  let length = 0;
  while (length < buffer.length) {
    const read = readSync(fd, buffer, length, buffer.length - length, null);
    if (read === 0) break;
    length += read;
  }
  return length;
}
