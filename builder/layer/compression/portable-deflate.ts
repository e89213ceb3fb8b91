// The portable encoder: fflate's deflate, whose bytes depend on its version (pinned) and
// on the pieces it is fed. It gets the blocks of block-cutter.ts one by one. About four
// times slower than zlib; for digests that must not depend on how Node was built.

import { Deflate } from "fflate";

/** One raw deflate stream. */
export class PortableDeflate {
  readonly #deflate: Deflate;

  constructor(level: number, emit: (bytes: Uint8Array) => void) {
    if (!isLevel(level)) throw new RangeError(`no deflate level: ${level}`);
    this.#deflate = new Deflate({ level }, (bytes) => {
      if (bytes.length > 0) emit(bytes);
    });
  }

  /** Takes the next block; it may be used again afterwards. */
  push(block: Uint8Array): void {
    this.#deflate.push(block, false);
  }

  /** Writes the final block. */
  finish(): void {
    this.#deflate.push(new Uint8Array(0), true);
  }
}

type Level = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

function isLevel(level: number): level is Level {
  return Number.isInteger(level) && level >= 0 && level <= 9;
}
