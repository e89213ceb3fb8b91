// Word of an image's layers while they come from a registry. They come when somebody wants
// their bytes, which may be long after the FROM they belong to; there people look for them.

import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import type { StepClock } from "../internal-steps.ts";
import type { StatusSink } from "../../transport/source.ts";

const INTERVAL_MS = 100;

/** The pull of one image as a step: the one of its FROM, which begins anew when bytes come, as in BuildKit's progress. */
export class PullProgress {
  readonly #clock: StepClock;
  #step: { readonly vertex: Digest; readonly name: string };
  #running = 0;
  /** When the step began, while it is told of. */
  #started: number | undefined;
  readonly #blobs = new Map<Digest, { readonly started: number; told: number }>();

  constructor(clock: StepClock, image: string) {
    this.#clock = clock;
    const name = `[internal] pull ${image}`;
    this.#step = { vertex: digestOf(name), name };
  }

  /** From here on the pull is told of as this step's. */
  belongsTo(vertex: Digest, name: string): void {
    this.#step = { vertex, name };
  }

  /** Does some of the pull; the step is over when nothing of it is under way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0 && this.#started !== undefined) {
        this.#tell({ started: this.#started, completed: this.#clock.now() });
        this.#started = undefined;
      }
    }
  }

  /** How far a blob is. One that was there is not told of. */
  readonly sink: StatusSink = ({ digest, current, total, done }) => {
    const now = this.#clock.now();
    const known = this.#blobs.get(digest);
    if (done ? known === undefined : known !== undefined && now - known.told < INTERVAL_MS) return;
    const blob = known ?? { started: now, told: now };
    blob.told = now;
    if (done) this.#blobs.delete(digest);
    else this.#blobs.set(digest, blob);
    if (this.#started === undefined) this.#tell({ started: (this.#started = now) });
    this.#clock.events({
      kind: "status",
      vertex: this.#step.vertex,
      id: digest,
      name: digest,
      current,
      total,
      started: blob.started,
      ...(done ? { completed: now } : {}),
    });
  };

  #tell(times: { readonly started: number; readonly completed?: number }): void {
    this.#clock.events({ kind: "vertex", ...this.#step, inputs: [], ...times });
  }
}
