// A file's bytes in chunks that stay valid, for those who hand them to another thread.

import { closeSync, openSync, readSync } from "node:fs";

/** Each chunk is a buffer of its own. The file is closed when the loop over it ends, however it ends. */
export function* readChunks(file: string): Generator<Uint8Array> {
  const fd = openSync(file, "r");
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

const CHUNK_BYTES = 128 << 10;
