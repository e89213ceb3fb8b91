// Whose step runs next. All clients of a daemon share one number of turns: the one that has the fewest gets the next, so a
// client with a hundred steps holds up no other client for longer than one step.

import type { Turns } from "../../builder/request.ts";

/** One party among those that share turns. */
export interface Share {
  /** Told apart from other clients. */
  readonly client: string;
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
  readonly #waiting: Waiter[] = [];
  readonly #ofClient = new Map<string, number>();
  readonly #ofTenant = new Map<string, number>();

  constructor(count: number) {
    this.#free = Math.max(1, count);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return [...this.#ofTenant.values()].reduce((sum, count) => sum + count, 0);
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

  /** The tenant with the fewest turns, of it the client with the fewest, of that the one that came first. */
  #next(): Waiter | undefined {
    let best: { readonly waiter: Waiter; readonly tenant: number; readonly client: number } | undefined;
    for (const waiter of this.#waiting) {
      const tenant = this.#ofTenant.get(waiter.tenant) ?? 0;
      if (waiter.most !== undefined && tenant >= waiter.most) continue;
      const client = this.#ofClient.get(keyOf(waiter)) ?? 0;
      if (best === undefined || tenant < best.tenant || (tenant === best.tenant && client < best.client))
        best = { waiter, tenant, client };
    }
    return best?.waiter;
  }

  #count(share: Share, by: number): void {
    for (const [counts, key] of [
      [this.#ofClient, keyOf(share)],
      [this.#ofTenant, share.tenant],
    ] as const) {
      const count = (counts.get(key) ?? 0) + by;
      if (count === 0) counts.delete(key);
      else counts.set(key, count);
    }
  }
}

function keyOf({ tenant, client }: Share): string {
  return `${tenant}\0${client}`;
}
