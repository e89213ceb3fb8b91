// A file that one thread still writes, from its start on, while another one reads it: a layer is unpacked while it is
// downloaded. What is read before the file is whole has been verified by nobody: whoever reads shows nothing of it before.

import { closeSync, openSync, readSync } from "node:fs";
import { BuildError } from "../errors.ts";

/** What goes to the reading thread. */
export interface GrowingFile {
  /** Absolute. The file may be moved away once it is whole. */
  readonly path: string;
  /** `STATE` as Int32, then how many bytes can be read as BigInt64. */
  readonly state: SharedArrayBuffer;
}

const STATE = { growing: 0, whole: 1, broken: 2 } as const;
const [TURN, STANDING] = [0, 1];
const BYTES = 1;
const STATE_BYTES = 16;
const CHUNK_BYTES = 128 << 10;
/** How long a reader waits before it looks whether it is to stop. */
const LOOK_MS = 200;

/** The writer's side. */
export class Growth {
  readonly file: GrowingFile;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #counts: BigInt64Array<SharedArrayBuffer>;

  constructor(path: string) {
    const state = new SharedArrayBuffer(STATE_BYTES);
    this.file = { path, state };
    this.#words = new Int32Array(state);
    this.#counts = new BigInt64Array(state);
  }

  /** So many bytes can be read now, from the start. */
  reach(bytes: number): void {
    Atomics.store(this.#counts, BYTES, BigInt(bytes));
    this.#wake();
  }

  /** The file is whole, and what it should be. */
  finish(): void {
    this.#settle(STATE.whole);
  }

  /** Nothing more comes, or what came was not right: what was read of it is worth nothing. No-op after `finish`. */
  break(): void {
    this.#settle(STATE.broken);
  }

  #settle(standing: number): void {
    Atomics.compareExchange(this.#words, STANDING, STATE.growing, standing);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#words, TURN, 1);
    Atomics.notify(this.#words, TURN);
  }
}

/** Whether a file became whole without ever having been anything else. */
export function isWhole({ state }: GrowingFile): boolean {
  return Atomics.load(new Int32Array(state), STANDING) === STATE.whole;
}

/**
 * The bytes of a growing file, to the end of the whole one; waits for them in place, so it is for worker threads only.
 * Each chunk is a buffer of its own. `check` throws when the reader is to stop. Throws `STORE` when the file breaks, and
 * where it is no longer under its path when the loop begins.
 */
export function* readGrowing({ path, state }: GrowingFile, check: () => void): Generator<Uint8Array> {
  const [words, counts] = [new Int32Array(state), new BigInt64Array(state)];
  const broken = (cause?: unknown): BuildError =>
    new BuildError("STORE", `"${path}" broke off while it was read`, { cause });
  const fd = openGrowing(path, broken);
  try {
    for (let position = 0; ;) {
      const turn = Atomics.load(words, TURN);
      const standing = Atomics.load(words, STANDING);
      if (standing === STATE.broken) throw broken();
      const ready = Number(Atomics.load(counts, BYTES));
      if (position < ready) {
        const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, ready - position));
        const length = readSync(fd, chunk, 0, chunk.length, position);
        if (length === 0) throw broken();
        position += length;
        yield chunk.subarray(0, length);
        continue;
      }
      if (standing === STATE.whole) return;
      Atomics.wait(words, TURN, turn, LOOK_MS);
      check();
    }
  } finally {
    closeSync(fd);
  }
}

function openGrowing(path: string, broken: (cause: unknown) => BuildError): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw broken(error);
  }
}
