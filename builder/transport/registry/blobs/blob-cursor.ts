// A blob's bytes piece by piece, from a stream that can only be read forwards: going on costs nothing, going back opens
// it anew.

import type { Descriptor } from "../../../core/image/descriptor.ts";
import { BuildError } from "../../../core/errors.ts";

/** One reader of a blob; its pieces are read one after the other. Disposing it closes the stream. */
export class BlobCursor implements AsyncDisposable {
  readonly #open: () => AsyncIterable<Uint8Array>;
  readonly #blob: Pick<Descriptor, "digest" | "size">;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  /** What was read from the stream and not given yet. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Of the first byte that was not given yet. */
  #position = 0;

  constructor(open: () => AsyncIterable<Uint8Array>, blob: Pick<Descriptor, "digest" | "size">) {
    this.#open = open;
    this.#blob = blob;
  }

  /** The bytes from `from` up to `to`. Throws `DIGEST_INVALID` when the blob ends before. */
  async *read(from: number, to: number): AsyncIterable<Uint8Array> {
    if (from < this.#position) await this[Symbol.asyncDispose]();
    while (this.#position < to) {
      if (this.#rest.length === 0) await this.#next();
      const isBefore = this.#position < from;
      const length = Math.min(this.#rest.length, (isBefore ? from : to) - this.#position);
      const piece = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      this.#position += length;
      if (!isBefore) yield piece;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const chunks = this.#chunks;
    [this.#chunks, this.#rest, this.#position] = [undefined, new Uint8Array(0), 0];
    await chunks?.return?.();
  }

  async #next(): Promise<void> {
    this.#chunks ??= this.#open()[Symbol.asyncIterator]();
    const next = await this.#chunks.next();
    if (next.done !== true) {
      this.#rest = next.value;
      return;
    }
    const { digest, size } = this.#blob;
    throw new BuildError("DIGEST_INVALID", `blob ${digest} ends after ${this.#position} of its ${size} bytes`);
  }
}
