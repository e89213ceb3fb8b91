// Bounded parallelism: so many holders at a time, first come, first served.

/** Says when work may run. */
export interface Turns {
  /** Runs the work once it may; a waiter whose signal aborts gives up its place. */
  use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** Hands out `count` slots. */
export class Slots implements Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = Math.max(1, count);
  }

  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  #take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const granted = (): void => {
        signal.removeEventListener("abort", aborted);
        resolve();
      };
      const aborted = (): void => {
        const place = this.#waiting.indexOf(granted);
        if (place >= 0) this.#waiting.splice(place, 1);
        reject(signal.reason as Error);
      };
      this.#waiting.push(granted);
      signal.addEventListener("abort", aborted, { once: true });
    });
  }
}
