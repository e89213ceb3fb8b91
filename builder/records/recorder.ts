// Listens to a build for its record: every event passes through here on its way to the door.

import type { BuildEvent, EventSink } from "../core/events.ts";
import { LogWriter } from "./log-file.ts";
import { TimelineFold } from "./timeline.ts";

/** Of one build. */
export class BuildRecorder {
  readonly #target: EventSink;
  readonly timeline = new TimelineFold();
  #log: LogWriter | undefined;

  /** `target` gets every event after this has. */
  constructor(target: EventSink) {
    this.#target = target;
  }

  /** From here on output is written to a file as it comes. */
  openLog(path: string): void {
    this.#log = new LogWriter(path);
  }

  /** Ends the file; its path, if there is one, and why not all of the output is in it. */
  closeLog(): { readonly path: string | undefined; readonly lack: string | undefined } {
    const path = this.#log?.close();
    return { path, lack: this.#log?.lack };
  }

  readonly sink: EventSink = (event: BuildEvent) => {
    const step = this.timeline.take(event);
    if (event.kind === "log" && step !== undefined) this.#log?.push({ step, ...event });
    this.#target(event);
  };
}
