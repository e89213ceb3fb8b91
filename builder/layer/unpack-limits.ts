// Bounds against archives that are made to unpack to more than anybody has room for
// ("zip bombs"). Real layers come nowhere near them.

import { BuildError } from "../core/errors.ts";

/** How much compressed data may become. */
export interface UnpackLimits {
  /** Of one layer or archive, in bytes. */
  readonly maxBytes: number;
  /** Unpacked to packed; counts only beyond `RATIO_FLOOR_BYTES`, below which nothing is harmed. */
  readonly maxRatio: number;
}

/** gzip cannot do better than 1032:1, and does so for zeros only; zstd can do a hundred times that. */
export const DEFAULT_LIMITS: UnpackLimits = { maxBytes: 512 * 2 ** 30, maxRatio: 500 };

/** Much of a sparse file is zeros: a few GiB of them are no attack. */
const RATIO_FLOOR_BYTES = 8 * 2 ** 30;

/** Watches one stream on its way through a decompressor. */
export class UnpackGuard {
  readonly #limits: UnpackLimits;
  #packed = 0;
  #unpacked = 0;

  constructor(limits: UnpackLimits) {
    this.#limits = limits;
  }

  /** The stream, its bytes counted before they are unpacked. */
  async *packed(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#packed += chunk.length;
      yield chunk;
    }
  }

  /** Takes note of bytes that came out. Throws `ARCHIVE_INVALID` when they are too many. */
  unpacked(bytes: number): void {
    this.#unpacked += bytes;
    const { maxBytes, maxRatio } = this.#limits;
    if (this.#unpacked > maxBytes) throw tooLarge(maxBytes);
    const floor = Math.min(RATIO_FLOOR_BYTES, maxBytes / 8);
    if (this.#unpacked > floor && this.#unpacked > this.#packed * maxRatio)
      throw tooMuch(`to more than ${maxRatio} times its size`, "--max-unpack-ratio");
  }
}

/** The error for what unpacks to more bytes than that. */
export function tooLarge(maxBytes: number): BuildError {
  return tooMuch(`to more than ${maxBytes} bytes`, "--max-unpacked-size");
}

function tooMuch(what: string, flag: string): BuildError {
  return new BuildError("ARCHIVE_INVALID", `invalid archive: it unpacks ${what}, the limit`, {
    hint: `if it is to be trusted, raise the limit with ${flag}`,
  });
}
