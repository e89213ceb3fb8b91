// The state of a build as its events told it: a fold, from which every view for people is drawn.

import type { BuildEvent, StatusEvent, VertexEvent, WarningEvent } from "../../builder/core/events.ts";
import type { LogLine } from "./log-lines.ts";
import { LogLines } from "./log-lines.ts";

/** Lines of a step's output that are kept for the error block and the live view. */
const KEPT_LINES = 100;

export interface Step {
  /** As in "#5"; counts in the order in which steps started. */
  readonly index: number;
  readonly name: string;
  readonly started: number;
  readonly completed: number | undefined;
  readonly cached: boolean;
  /** The cache elsewhere that it came from. */
  readonly cachedFrom: string | undefined;
  readonly error: string | undefined;
  /** By id, in the order in which they appeared. */
  readonly statuses: ReadonlyMap<string, StatusEvent>;
  /** The last lines of output. */
  readonly lines: readonly LogLine[];
  /** Lines that have not ended yet. */
  readonly partial: () => readonly LogLine[];
}

export interface Trace {
  /** When the first step started; undefined before. */
  readonly started: number | undefined;
  /** Steps that started, in that order. */
  readonly steps: readonly Step[];
  /** Steps that are known, started or not. */
  readonly total: number;
  readonly warnings: readonly WarningEvent[];
}

/** What one event changed. */
export interface Change {
  readonly step: Step | undefined;
  /** Lines of output that were completed. */
  readonly lines: readonly LogLine[];
}

/** Takes the events in order and keeps the state. */
export class TraceFold implements Trace {
  started: number | undefined;
  readonly steps: Step[] = [];
  readonly warnings: WarningEvent[] = [];
  readonly #byVertex = new Map<string, MutableStep>();
  readonly #known = new Set<string>();

  get total(): number {
    return this.#known.size;
  }

  /** Takes one event. Events of a step that has not started change nothing but the total. */
  take(event: BuildEvent): Change {
    switch (event.kind) {
      case "vertex":
        return this.#vertex(event);
      case "status": {
        const step = this.#byVertex.get(event.vertex);
        step?.statuses.set(event.id, event);
        return { step, lines: [] };
      }
      case "log": {
        const step = this.#byVertex.get(event.vertex);
        if (step === undefined) return { step, lines: [] };
        const lines = step.output.push(event.stream, event.data, event.time);
        keep(step, lines);
        return { step, lines };
      }
      case "warning":
        this.warnings.push(event);
        return { step: event.vertex === undefined ? undefined : this.#byVertex.get(event.vertex), lines: [] };
    }
  }

  #vertex(event: VertexEvent): Change {
    this.#known.add(event.vertex);
    let step = this.#byVertex.get(event.vertex);
    if (step === undefined) {
      if (event.started === undefined) return { step, lines: [] };
      step = newStep(this.steps.length + 1, event.name, event.started);
      this.#byVertex.set(event.vertex, step);
      this.steps.push(step);
      this.started ??= event.started;
    }
    // A step may begin anew: layers of an image come when somebody wants them.
    const isAnew = event.started !== undefined && event.completed === undefined;
    step.name = event.name;
    step.cached = event.cached ?? (isAnew ? false : step.cached);
    step.cachedFrom = event.cachedFrom ?? step.cachedFrom;
    step.error = event.error ?? step.error;
    step.completed = event.completed ?? (isAnew ? undefined : step.completed);
    if (event.completed === undefined) return { step, lines: [] };
    const lines = step.output.end();
    keep(step, lines);
    return { step, lines };
  }
}

interface MutableStep extends Step {
  name: string;
  completed: number | undefined;
  cached: boolean;
  cachedFrom: string | undefined;
  error: string | undefined;
  readonly statuses: Map<string, StatusEvent>;
  readonly lines: LogLine[];
  readonly output: LogLines;
}

function newStep(index: number, name: string, started: number): MutableStep {
  const output = new LogLines();
  return {
    index,
    name,
    started,
    completed: undefined,
    cached: false,
    cachedFrom: undefined,
    error: undefined,
    statuses: new Map(),
    lines: [],
    output,
    partial: () => output.partial(),
  };
}

function keep(step: MutableStep, lines: readonly LogLine[]): void {
  step.lines.push(...lines);
  if (step.lines.length > 2 * KEPT_LINES) step.lines.splice(0, step.lines.length - KEPT_LINES);
}

/** Whether a step ended because something else did: a signal, or another step that failed. */
export function isCancelled(step: Step): boolean {
  return step.error !== undefined && /\bcancell?ed$/i.test(step.error);
}
