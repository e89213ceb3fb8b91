// Writes a file and takes its digest on the way, in blocks of a MiB whatever the size of
// the chunks that come (a network gives 64 KiB), one block being written while the next is filled.

import type { FileHandle } from "node:fs/promises";
import { Digester } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";

const BLOCK_BYTES = 1 << 20;

/** A file being written from its start, or from where it was left; the handle stays the caller's. */
export class HashedFile {
  readonly #file: FileHandle;
  readonly #digester = new Digester();
  #block: Buffer | undefined;
  #spare: Buffer | undefined;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();
  #written = 0;
  readonly #onWritten: ((bytes: number) => void) | undefined;

  /** `onWritten` is told how many bytes lie in the file, each time that it has more. */
  constructor(file: FileHandle, onWritten?: (bytes: number) => void) {
    this.#file = file;
    this.#onWritten = onWritten;
  }

  /** Takes in what the file holds already, `size` bytes, before the first `write`; the handle must append. */
  async include(size: number, signal: AbortSignal): Promise<void> {
    const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    for (let position = 0; position < size;) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(block, 0, Math.min(BLOCK_BYTES, size - position), position);
      if (bytesRead === 0) throw new Error(`the file ends after ${position} of ${size} bytes`);
      this.#digester.update(block.subarray(0, bytesRead));
      position += bytesRead;
    }
    this.#spare = block;
    this.#written = size;
  }

  /** How many bytes lie in the file. */
  get written(): number {
    return this.#written;
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
    await this.flush();
    return { digest: this.#digester.digest(), size: this.#digester.sizeBytes };
  }

  /** Writes what came so far. */
  async flush(): Promise<void> {
    await this.#turn();
    await this.#writing;
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
      this.#written += filled;
      this.#onWritten?.(this.#written);
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
