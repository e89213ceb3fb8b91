// Writes a file and takes its digest on the way, in blocks of 1 MiB whatever the size of
// the chunks that come (a network gives 64 KiB), one block being written while the next is filled.

import type { FileHandle } from "node:fs/promises";
import { Digester } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";

const BLOCK_BYTES = 1 << 20;

/** A file being written from its start; the handle stays the caller's. */
export class HashedFile {
  readonly #file: FileHandle;
  readonly #digester = new Digester();
  #block: Buffer | undefined;
  #spare: Buffer | undefined;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Takes a chunk; its bytes are free again when this resolves. An earlier block's failure is thrown here or by `end`. */
  async write(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      this.#block ??= this.#spare ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      if (this.#block === this.#spare) this.#spare = undefined;
      const taken = Math.min(rest.length, BLOCK_BYTES - this.#filled);
      this.#block.set(rest.subarray(0, taken), this.#filled);
      this.#filled += taken;
      rest = rest.subarray(taken);
      if (this.#filled === BLOCK_BYTES) await this.#turn();
    }
  }

  /** Writes what is left; call once. */
  async end(): Promise<{ readonly digest: Digest; readonly size: number }> {
    await this.#turn();
    await this.#writing;
    return { digest: this.#digester.digest(), size: this.#digester.sizeBytes };
  }

  /** Waits for what is on its way to the file, whatever becomes of it. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  async #turn(): Promise<void> {
    await this.#writing;
    const [block, filled] = [this.#block, this.#filled];
    if (block === undefined || filled === 0) return;
    [this.#block, this.#filled] = [undefined, 0];
    const bytes = block.subarray(0, filled);
    this.#writing = this.#writeAll(bytes).then(() => {
      this.#spare = block;
    });
    // Whoever waits for it next gets the error; nobody may wait.
    this.#writing.catch(() => undefined);
    this.#digester.update(bytes);
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, offset);
      offset += bytesWritten;
    }
  }
}
