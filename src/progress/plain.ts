// The progress of a build as lines that only ever grow, laid out as BuildKit's plain progress: scripts and eyes know it.
//
// One step has the floor at a time. Its lines are written as they come; those of the others wait until it ends, until
// another one ends (whose lines then come in one piece), or until it has had the floor for a while. Each change of
// floor is marked: "#5 ..." closes the old one, an empty line and the step's header open the new one.

import type { BuildEvent, StatusEvent } from "../../builder/core/events.ts";
import type { LogLine } from "./log-lines.ts";
import { colouredText, lastOverwrite, plainLines, plainText } from "./terminal-text.ts";
import type { Step } from "./trace.ts";
import { isCancelled, TraceFold } from "./trace.ts";
import { warningText } from "./warning-text.ts";
import { formatOffset, formatPart, formatSeconds } from "./units.ts";

/** After this long others may have the floor. */
const LONGEST_TURN_MS = 5000;
/** A status is written again after this long, or when this much of the whole has come. */
const STATUS_INTERVAL_MS = 5000;
const STATUS_SHARE = 0.05;

/** Turns events into text. The text of a call is to be written as it is; nothing is ever taken back. */
export class PlainText {
  readonly trace = new TraceFold();
  /** What steps without the floor have to say. */
  readonly #waiting = new Map<Step, string>();
  readonly #lastStatus = new Map<string, { readonly current: number; readonly time: number }>();
  #floor: Step | undefined;
  #floorSince = 0;
  #isFirst = true;

  /** The text that an event adds, at a time in ms since the epoch. */
  push(event: BuildEvent, now: number): string {
    const hadStep = this.trace.steps.length;
    const { step, lines } = this.trace.take(event);
    if (step === undefined) return "";
    const isNew = this.trace.steps.length > hadStep;
    let body = lines.map((line) => this.#logLine(step, line)).join("");
    if (event.kind === "status") body += this.#statusLine(step, event, now);
    if (event.kind === "warning") body += `#${step.index} WARN: ${warningText(event)}\n`;
    const isOver = event.kind === "vertex" && event.completed !== undefined;
    if (isOver) body += endLine(step);
    if (body === "" && !isNew) return this.turn(now);
    this.#waiting.set(step, (this.#waiting.get(step) ?? "") + body);

    if (isOver) return this.#say(step, now) + this.#close(now);
    const isFree = this.#floor === undefined || this.#floor.completed !== undefined;
    return isFree || this.#floor === step ? this.#say(step, now) : this.turn(now);
  }

  /** Passes the floor on if it is time; to be called now and then while steps run. */
  turn(now: number): string {
    if (this.#floor === undefined || now - this.#floorSince < LONGEST_TURN_MS) return "";
    for (const step of this.#waiting.keys()) {
      if (step !== this.#floor) return this.#say(step, now);
    }
    return "";
  }

  /** Whether something waits for `turn`. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** What is left when no more events come. */
  end(now: number): string {
    return [...this.#waiting.keys()].map((step) => this.#say(step, now)).join("");
  }

  /** Gives a step the floor and writes what it has. */
  #say(step: Step, now: number): string {
    let text = "";
    if (this.#floor !== step) {
      // A warning may come when its step is over.
      if (this.#floor !== undefined && this.#floor.completed === undefined) text += `#${this.#floor.index} ...\n`;
      text += `${this.#isFirst ? "" : "\n"}#${step.index} ${plainText(step.name)}\n`;
      this.#isFirst = false;
      this.#floor = step;
      this.#floorSince = now;
    }
    text += this.#waiting.get(step) ?? "";
    this.#waiting.delete(step);
    return text;
  }

  /** The floor after a step has ended: to whoever waits longest. */
  #close(now: number): string {
    this.#floor = undefined;
    const [next] = this.#waiting.keys();
    return next === undefined ? "" : this.#say(next, now);
  }

  #logLine(step: Step, line: LogLine): string {
    const text = colouredText(lastOverwrite(line.text));
    return `#${step.index} ${formatOffset(line.time - step.started)} ${text}`.trimEnd() + "\n";
  }

  #statusLine(step: Step, status: StatusEvent, now: number): string {
    const key = `${step.index} ${status.id}`;
    const last = this.#lastStatus.get(key);
    if (last !== undefined && status.completed === undefined) {
      const share = status.total > 0 ? (status.current - last.current) / status.total : 0;
      if (share < STATUS_SHARE && now - last.time < STATUS_INTERVAL_MS) return "";
    }
    this.#lastStatus.set(key, { current: status.current, time: now });
    const took = status.started === undefined ? 0 : (status.completed ?? now) - status.started;
    const time = took > 10 ? ` ${formatSeconds(took)}` : "";
    const done = status.completed === undefined ? "" : " done";
    return `#${step.index} ${formatPart(status.name || status.id, status.current, status.total)}${time}${done}\n`;
  }
}

function endLine(step: Step): string {
  const number = `#${step.index}`;
  if (step.error !== undefined) {
    return isCancelled(step) ? `${number} CANCELED\n` : `${number} ERROR: ${plainLines(step.error)}\n`;
  }
  if (step.cached) {
    const from = step.cachedFrom === undefined ? "" : `${number} from the cache ${plainLines(step.cachedFrom)}\n`;
    return `${from}${number} CACHED\n`;
  }
  return `${number} DONE ${formatSeconds((step.completed ?? step.started) - step.started)}\n`;
}
