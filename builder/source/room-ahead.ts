// Room in the store for what is about to come: asked for a piece ahead, since the account is on disk and each answer is a
// transaction.

import type { Reservation, StoreSpace } from "../core/space.ts";

const AHEAD_BYTES = 4 << 20;

/** Holds what was reserved until it is disposed. */
export class RoomAhead implements Disposable {
  readonly #space: StoreSpace;
  readonly #reserved: Reservation[] = [];
  /** Bytes that are wanted and have no room yet, and room that nobody wants yet. */
  #wanted = 0;
  #ahead = 0;

  constructor(space: StoreSpace) {
    this.#space = space;
  }

  want(bytes: number): void {
    this.#wanted += bytes;
  }

  /** Waits for room for all that is wanted by now. Throws `STORE` when there is none. */
  async reserve(): Promise<void> {
    if (this.#wanted > this.#ahead) {
      const bytes = this.#wanted - this.#ahead + AHEAD_BYTES;
      this.#reserved.push(await this.#space.reserve(bytes));
      this.#ahead += bytes;
    }
    this.#ahead -= this.#wanted;
    this.#wanted = 0;
  }

  [Symbol.dispose](): void {
    for (const reserved of this.#reserved) reserved[Symbol.dispose]();
  }
}
