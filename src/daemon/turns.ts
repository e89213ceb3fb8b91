// Whose step runs next. All clients of a daemon share one number of turns: the one that has the fewest gets the next, so a
// client with a hundred steps, or a hundred builds, holds up no other client for longer than one step. Of a client's builds
// it is again the one that has the fewest.

import type { Turns } from "../../builder/request.ts";

/** One party among those that share turns. */
export interface Share {
  /** Told apart from other clients. */
  readonly client: string;
  /** Told apart from the client's other builds. */
  readonly build: string;
  /** Clients of one tenant share what the tenant may have. */
  readonly tenant: string;
  /** Turns of the tenant at a time; undefined: all there are. */
  readonly most?: number | undefined;
}

interface Waiter extends Share {
  readonly grant: () => void;
}

/** Hands out `count` turns. */
export class FairTurns {
  #free: number;
  #running = 0;
  readonly #waiting: Waiter[] = [];
  /** Turns that a tenant has, a client of it, a build of that: by `keysOf`. */
  readonly #counts = new Map<string, number>();

  constructor(count: number) {
    this.#free = Math.max(1, count);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running;
  }

  /** The turns as one client has them. A waiter whose signal aborts gives up its place. */
  of(share: Share): Turns {
    return {
      use: async (signal, work) => {
        await this.#take(share, signal);
        try {
          return await work();
        } finally {
          this.#count(share, -1);
          this.#free += 1;
          this.#grant();
        }
      },
    };
  }

  #take(share: Share, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        ...share,
        grant: () => {
          signal.removeEventListener("abort", abort);
          resolve();
        },
      };
      const abort = (): void => {
        const place = this.#waiting.indexOf(waiter);
        if (place >= 0) this.#waiting.splice(place, 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.push(waiter);
      this.#grant();
    });
  }

  #grant(): void {
    while (this.#free > 0) {
      const next = this.#next();
      if (next === undefined) return;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.#free -= 1;
      this.#count(next, 1);
      next.grant();
    }
  }

  /** The tenant with the fewest turns, of it the client with the fewest, of that the build, of that the one that came first. */
  #next(): Waiter | undefined {
    let best: { readonly waiter: Waiter; readonly counts: readonly number[] } | undefined;
    for (const waiter of this.#waiting) {
      const counts = keysOf(waiter).map((key) => this.#counts.get(key) ?? 0);
      if (waiter.most !== undefined && (counts[0] ?? 0) >= waiter.most) continue;
      if (best === undefined || isFewer(counts, best.counts)) best = { waiter, counts };
    }
    return best?.waiter;
  }

  #count(share: Share, by: number): void {
    this.#running += by;
    for (const key of keysOf(share)) {
      const count = (this.#counts.get(key) ?? 0) + by;
      if (count === 0) this.#counts.delete(key);
      else this.#counts.set(key, count);
    }
  }
}

/** Whether the first that differs is smaller. */
function isFewer(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((count, place) => count !== b[place]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

/** Of the tenant, the client, the build. */
function keysOf({ tenant, client, build }: Share): readonly string[] {
  return [[tenant], [tenant, client], [tenant, client, build]].map((names) => names.join("\0"));
}
