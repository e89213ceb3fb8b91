// The content of a mount's regular files as one stream, from any place of it: to take from a directory that is here the
// chunks that need not come from elsewhere.

import { closeSync, constants, openSync, readSync } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";

/** Files of one directory, in the order of their list. */
export class ContentStream {
  readonly #directory: BytePath;
  readonly #paths: BytePath[] = [];
  /** Where each file begins; one more for the end. */
  readonly #starts: number[] = [0];

  constructor(directory: BytePath) {
    this.#directory = directory;
  }

  get sizeBytes(): number {
    return this.#starts.at(-1) ?? 0;
  }

  /** The next file, of so many bytes. */
  add(path: BytePath, size: number): void {
    this.#paths.push(path);
    this.#starts.push(this.sizeBytes + size);
  }

  /** So many bytes of the stream. Throws `STORE` when a file has become shorter. */
  read(from: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    for (let file = this.#fileAt(from); done < length; file++) {
      const path = this.#paths[file];
      if (path === undefined) break;
      const start = this.#starts[file] ?? 0;
      const end = this.#starts[file + 1] ?? start;
      const want = Math.min(end, from + length) - (from + done);
      if (want > 0)
        done += readPart(joinBytes(this.#directory, path), from + done - start, bytes.subarray(done, done + want));
    }
    return bytes;
  }

  /** The last file that begins at or before a place. */
  #fileAt(place: number): number {
    let [low, high] = [0, this.#paths.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function readPart(path: BytePath, from: number, into: Buffer): number {
  const fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    for (let done = 0; done < into.length;) {
      const count = readSync(fd, into, done, into.length - done, from + done);
      if (count === 0) throw new BuildError("STORE", "a file of a cache mount became shorter while it was read");
      done += count;
    }
    return into.length;
  } finally {
    closeSync(fd);
  }
}
