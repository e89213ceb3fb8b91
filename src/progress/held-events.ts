// Events held back for a moment, for a build that may begin anew somewhere else.

import type { BuildEvent, EventSink } from "../../builder/core/events.ts";

/** What is done before it is known whether there are steps to run. */
const BEFORE_STEPS = /^\[(?:internal|context [^\]]*)\] load /;

/**
 * Passes events on after a while, when told to, or when the first step of the Dockerfile begins (then it is decided where
 * the build goes on); until then they can be dropped as if they had never been.
 */
export class HeldEvents {
  readonly #target: EventSink;
  readonly #timer: NodeJS.Timeout | undefined;
  #held: BuildEvent[] | undefined;
  #isDropped = false;

  /** `holdMs` 0 holds nothing. */
  constructor(target: EventSink, holdMs: number) {
    this.#target = target;
    if (holdMs === 0) return;
    this.#held = [];
    this.#timer = setTimeout(() => this.release(), holdMs);
    this.#timer.unref();
  }

  readonly sink: EventSink = (event) => {
    if (event.kind === "vertex" && event.started !== undefined && !BEFORE_STEPS.test(event.name)) this.release();
    if (this.#held === undefined) this.#target(event);
    else this.#held.push(event);
  };

  /** Passes on what is held, and from now on everything at once. */
  release(): void {
    if (this.#isDropped) return;
    clearTimeout(this.#timer);
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const event of held) this.#target(event);
  }

  /** Forgets what is held, and takes no more. Returns warnings that will not come again where the build begins anew. */
  drop(): readonly string[] {
    clearTimeout(this.#timer);
    const held = this.#held ?? [];
    this.#isDropped = true;
    this.#held = [];
    return held.flatMap((event) => (event.kind === "warning" && event.isMended === true ? [event.message] : []));
  }
}
