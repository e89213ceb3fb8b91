// Listens to a build for its record: every event passes through here on its way to the door.

import type { Digest } from "../core/digest.ts";
import type { BuildEvent, EventSink } from "../core/events.ts";
import type { EarlierParts } from "./earlier-parts.ts";
import { LogWriter } from "./log-file.ts";
import { TimelineFold } from "./timeline.ts";

/** Of one build. */
export class BuildRecorder {
  readonly #target: EventSink;
  readonly timeline = new TimelineFold();
  readonly #earlier: readonly BuildEvent[];
  /** Steps that an earlier part of the build has ended. */
  readonly #ended: ReadonlySet<Digest>;
  #log: LogWriter | undefined;

  /** `target` gets every event after this has; what `earlier` has is this build's as well. */
  constructor(target: EventSink, earlier?: EarlierParts) {
    this.#target = target;
    this.#earlier = [...(earlier?.events ?? [])];
    this.#ended = new Set(earlier?.ended);
  }

  /** From here on output is written to a file as it comes. */
  openLog(path: string): void {
    this.#log = new LogWriter(path);
    for (const event of this.#earlier) this.#take(event);
  }

  /** Ends the file; its path, if there is one, and why not all of the output is in it. */
  closeLog(): { readonly path: string | undefined; readonly lack: string | undefined } {
    const path = this.#log?.close();
    return { path, lack: this.#log?.lack };
  }

  readonly sink: EventSink = (event: BuildEvent) => {
    if (event.kind !== "vertex" || !this.#ended.has(event.vertex)) this.#take(event);
    this.#target(event);
  };

  #take(event: BuildEvent): void {
    const step = this.timeline.take(event);
    if (event.kind === "log" && step !== undefined) this.#log?.push({ step, ...event });
  }
}
