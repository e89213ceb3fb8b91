// What happened in a build and when, folded from its events: the part of a record that grows with the build's steps, not
// with what they print. Output goes to a file beside it (log-file.ts).

import type { Digest } from "../core/digest.ts";
import type { BuildEvent, StatusEvent, VertexEvent, WarningEvent } from "../core/events.ts";

/** A part of a step: a layer that was pulled, an export's phase. Times are ms since the epoch. */
export interface TimelinePart {
  readonly id: string;
  readonly name: string;
  /** Bytes, or pieces. */
  readonly current: number;
  readonly total: number;
  readonly startedMs?: number;
  readonly completedMs?: number;
}

/** A step as people saw it. Times are ms since the epoch. */
export interface TimelineStep {
  readonly vertex: Digest;
  readonly name: string;
  readonly inputs: readonly Digest[];
  readonly startedMs?: number;
  readonly completedMs?: number;
  readonly cached?: true;
  /** The cache elsewhere that it came from. */
  readonly cachedFrom?: string;
  readonly error?: string;
  readonly parts?: readonly TimelinePart[];
  /** Bytes of output that are kept of it. */
  readonly logBytes?: number;
}

export interface TimelineWarning {
  readonly vertex?: Digest;
  readonly rule?: string;
  readonly message: string;
  readonly detail?: string;
  readonly url?: string;
  readonly file?: string;
  readonly line?: number;
}

/** Everything that was told of a build, but for output. */
export interface Timeline {
  readonly steps: readonly TimelineStep[];
  readonly warnings: readonly TimelineWarning[];
}

/** How the steps ended that were run to their end, by vertex; one that was stopped says nothing. */
export function ranSteps({ steps }: Timeline): ReadonlyMap<Digest, "done" | "failed"> {
  return new Map(
    steps.flatMap((step) => {
      const { vertex, startedMs, completedMs, cached, error } = step;
      if (startedMs === undefined || completedMs === undefined || cached === true || isStopped(step)) return [];
      return [[vertex, error === undefined ? "done" : "failed"] as const];
    }),
  );
}

/** Whether a step was stopped with its build. */
export function isStopped({ error }: Pick<TimelineStep, "error">): boolean {
  return error !== undefined && /\bcancell?ed$/i.test(error);
}

/** So many parts of a step and warnings are remembered; a build has no more that anybody reads. */
const MOST_PARTS = 1000;
const MOST_WARNINGS = 1000;

/** Folds events; costs next to nothing an event. */
export class TimelineFold {
  readonly #steps = new Map<Digest, OpenStep>();
  readonly #warnings: WarningEvent[] = [];

  /** The number of the event's step, from 0 in the order in which steps were first told of; undefined when it has none. */
  take(event: BuildEvent): number | undefined {
    switch (event.kind) {
      case "vertex":
        return this.#vertex(event);
      case "status": {
        const step = this.#steps.get(event.vertex);
        if (step !== undefined && (step.parts.has(event.id) || step.parts.size < MOST_PARTS))
          step.parts.set(event.id, event);
        return step?.number;
      }
      case "log": {
        const step = this.#steps.get(event.vertex);
        if (step !== undefined) step.logBytes += event.data.byteLength;
        return step?.number;
      }
      case "warning":
        if (this.#warnings.length < MOST_WARNINGS) this.#warnings.push(event);
        return undefined;
    }
  }

  /** What has been told until now; texts as `clean` leaves them. */
  timeline(clean: (text: string) => string): Timeline {
    const steps = [...this.#steps.values()].map((step): TimelineStep => {
      const parts = [...step.parts.values()].map(partOf);
      return {
        vertex: step.vertex,
        name: clean(step.name),
        inputs: step.inputs,
        ...(step.startedMs === undefined ? {} : { startedMs: step.startedMs }),
        ...(step.completedMs === undefined ? {} : { completedMs: step.completedMs }),
        ...(step.cached ? { cached: true } : {}),
        ...(step.cachedFrom === undefined ? {} : { cachedFrom: clean(step.cachedFrom) }),
        ...(step.error === undefined ? {} : { error: clean(step.error) }),
        ...(parts.length === 0 ? {} : { parts }),
        ...(step.logBytes === 0 ? {} : { logBytes: step.logBytes }),
      };
    });
    return { steps, warnings: this.#warnings.map((warning) => warningOf(warning, clean)) };
  }

  #vertex(event: VertexEvent): number {
    let step = this.#steps.get(event.vertex);
    if (step === undefined) {
      const { vertex, name, inputs } = event;
      step = { vertex, name, inputs, number: this.#steps.size, cached: false, parts: new Map(), logBytes: 0 };
      this.#steps.set(vertex, step);
    }
    step.name = event.name;
    if (event.inputs.length > 0) step.inputs = event.inputs;
    // A step may begin anew: layers of an image come when somebody wants them.
    if (event.started !== undefined) step.startedMs ??= event.started;
    step.completedMs = event.completed ?? step.completedMs;
    step.cached = event.cached ?? step.cached;
    step.cachedFrom = event.cachedFrom ?? step.cachedFrom;
    step.error = event.error ?? step.error;
    return step.number;
  }
}

interface OpenStep {
  readonly number: number;
  readonly vertex: Digest;
  name: string;
  inputs: readonly Digest[];
  startedMs?: number | undefined;
  completedMs?: number | undefined;
  cached: boolean;
  cachedFrom?: string | undefined;
  error?: string | undefined;
  readonly parts: Map<string, StatusEvent>;
  logBytes: number;
}

function partOf({ id, name, current, total, started, completed }: StatusEvent): TimelinePart {
  return {
    id,
    name,
    current,
    total,
    ...(started === undefined ? {} : { startedMs: started }),
    ...(completed === undefined ? {} : { completedMs: completed }),
  };
}

function warningOf(event: WarningEvent, clean: (text: string) => string): TimelineWarning {
  const { vertex, rule, message, detail, url, location } = event;
  return {
    ...(vertex === undefined ? {} : { vertex }),
    ...(rule === undefined ? {} : { rule }),
    message: clean(message),
    ...(detail === undefined ? {} : { detail }),
    ...(url === undefined ? {} : { url }),
    ...(location === undefined ? {} : { file: location.file, line: location.range.startLine }),
  };
}
