// What was told while parts of a build were made: a client that looks into a result before it wants it has it built twice,
// and means one build. The last of them is remembered as that one, with all that was told of it.

import type { Digest } from "../core/digest.ts";
import type { BuildEvent } from "../core/events.ts";

/** So much output of parts is kept in memory, in bytes; the rest of it is in no record. */
const MOST_LOG_BYTES = 1 << 20;

/** Of one client's build. */
export class EarlierParts {
  readonly events: BuildEvent[] = [];
  /** Steps of which the end was told. */
  readonly ended = new Set<Digest>();
  #logBytes = 0;

  /** Takes what is told of a part; a step that has ended is not told of again. */
  readonly add = (event: BuildEvent): void => {
    if (event.kind === "vertex") {
      if (this.ended.has(event.vertex)) return;
      if (event.completed !== undefined) this.ended.add(event.vertex);
    }
    if (event.kind === "log") this.#logBytes += event.data.length;
    if (event.kind !== "log" || this.#logBytes <= MOST_LOG_BYTES) this.events.push(event);
  };
}
