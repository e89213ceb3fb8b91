// Where the content of a cache mount is cut into chunks: by what the bytes are, not by where they lie, so that what was
// put in or taken out moves only the cuts around it (W. Xia et al., "FastCDC", USENIX ATC 2016: a gear hash, cuts before
// the usual size made rarer and after it more common).
//
// The numbers are a part of the format: other ones would find no chunk of earlier exports again. A chunk is a blob of a
// registry, which costs a request or two whatever its size: with 1 MiB a mount of a gigabyte has about a thousand, and the
// manifest (about 160 bytes a blob, 4 MiB at most in most registries) has room for some 25 GiB. A changed file costs about
// one chunk. The least size keeps files that repeat a short pattern from being cut to pieces, the largest is what a worker
// has to hold.

import { createHash } from "node:crypto";

/** Bytes of a chunk before it is compressed. The last one of a mount, and one before a large file, may be smaller. */
export const CHUNK_BYTES = { least: 256 << 10, usual: 1 << 20, most: 4 << 20 } as const;

/** Of 2^22 places one fits before the usual size, of 2^18 one after it. High bits: they depend on the last 32 bytes. */
const RARE = 0xfffffc00 | 0;
const COMMON = 0xffffc000 | 0;

/** A random number a byte, the same for ever. */
const GEAR = gear();

/**
 * How many bytes from `from` on make the first chunk; `end` if they are to be one. There must be `CHUNK_BYTES.most` of
 * them, or no more to come.
 */
export function firstChunk(bytes: Uint8Array, from: number, end: number): number {
  const last = Math.min(end, from + CHUNK_BYTES.most);
  const usual = Math.min(last, from + CHUNK_BYTES.usual);
  let hash = 0;
  let at = from + CHUNK_BYTES.least;
  // All indexes are inside: below `end`, and of a byte.
  for (; at < usual; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & RARE) === 0) return at + 1 - from;
  }
  for (; at < last; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & COMMON) === 0) return at + 1 - from;
  }
  return last - from;
}

function gear(): Int32Array {
  const numbers = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++)
    numbers[byte] = createHash("sha256").update(`tsbuild chunk ${byte}`).digest().readInt32LE(0);
  return numbers;
}

/** Cuts one stream. What it gives lies in a buffer that is used again: take what is needed before the next call. */
export class Cutter {
  readonly #buffer = Buffer.allocUnsafeSlow(4 * CHUNK_BYTES.most);
  #from = 0;
  #end = 0;

  /** Room for the next bytes of the stream; `take` says how many were put there. Empty while there are chunks to come first. */
  room(): Buffer {
    if (this.#end - this.#from >= CHUNK_BYTES.most) return this.#buffer.subarray(0, 0);
    if (this.#buffer.length - this.#end < CHUNK_BYTES.most) {
      this.#buffer.copyWithin(0, this.#from, this.#end);
      this.#end -= this.#from;
      this.#from = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  take(length: number): void {
    this.#end += length;
  }

  /** The next chunk, if it is sure where it ends. */
  next(): Buffer | undefined {
    return this.#end - this.#from < CHUNK_BYTES.most ? undefined : this.#cut();
  }

  /** The next chunk of what there is, as if nothing came after it; undefined when there is nothing. */
  rest(): Buffer | undefined {
    return this.#end === this.#from ? undefined : this.#cut();
  }

  #cut(): Buffer {
    const from = this.#from;
    this.#from += firstChunk(this.#buffer, from, this.#end);
    return this.#buffer.subarray(from, this.#from);
  }
}
