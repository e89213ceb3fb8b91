// What a daemon does when there is nothing to do: it gives back the memory that builds took. V8 looks for garbage when more
// is asked of it, so what the last build left would stay until the next one, and glibc keeps what was freed.

import { giveBackMemory } from "../../builder/core/bytes/passed-bytes.ts";

/**
 * The first is late enough for a client that builds again and again, which need not wait while memory is given back; the
 * last one comes when workers have ended that waited for another build.
 */
export const REST_AFTER_MS: readonly number[] = [10_000, 22_000];

/** Call `soon` when something ended: some time after the last call memory is given back, as often as `isIdle` says so. */
export class Rest implements Disposable {
  readonly #isIdle: () => boolean;
  readonly #giveBack: () => void;
  #timers: readonly NodeJS.Timeout[] = [];

  constructor(isIdle: () => boolean, giveBack = giveBackMemory) {
    this.#isIdle = isIdle;
    this.#giveBack = giveBack;
  }

  soon(): void {
    this[Symbol.dispose]();
    this.#timers = REST_AFTER_MS.map((ms) => setTimeout(() => this.#rest(), ms).unref());
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #rest(): void {
    if (this.#isIdle()) this.#giveBack();
  }
}
