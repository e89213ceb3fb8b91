// Keeps what the first RUN of a build that fails has left. What others leave goes: they
// are stopped, and would fill the store with states that nobody asks for.

import type { FailedRun, FailedRunKeeper } from "../../ops/engine-parts.ts";
import type { OpResult } from "../../ops/result.ts";

/** A failed RUN and its rootfs as it was when the program ended. */
export interface KeptRun extends FailedRun {
  readonly rootfs: OpResult;
}

/** Of one build. */
export class FailedRuns implements FailedRunKeeper {
  #first: KeptRun | undefined;
  #isTaken = false;

  /** The one that was kept. */
  get kept(): KeptRun | undefined {
    return this.#first;
  }

  async take(run: FailedRun, keep: () => Promise<OpResult>): Promise<void> {
    if (this.#isTaken) return;
    this.#isTaken = true;
    try {
      this.#first = { ...run, rootfs: await keep() };
    } catch {
      // The step's own failure is what people want to hear of, not that a full disk cannot hold what it left.
    }
  }
}
