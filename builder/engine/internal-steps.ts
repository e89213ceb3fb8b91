// Steps that no instruction asks for ("[internal] load build definition from Dockerfile"), as events.

import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { EventSink, TellPart } from "../core/events.ts";
import type { SourceReport } from "../source/remote.ts";
import type { StatusSink } from "../transport/source.ts";

export interface StepClock {
  readonly events: EventSink;
  readonly now: () => number;
}

/** Tells of a step while it is done. */
export async function told<T>(
  { events, now }: StepClock,
  name: string,
  work: (report: SourceReport) => Promise<T>,
  vertex: Digest = digestOf(name),
): Promise<T> {
  const event = { kind: "vertex" as const, vertex, name, inputs: [], started: now() };
  events(event);
  try {
    const result = await work(reportTo({ events, now }, vertex));
    events({ ...event, completed: now() });
    return result;
  } catch (error) {
    events({ ...event, completed: now(), error: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

/** Tells of a transfer: a step whose blobs come and go. */
export async function toldTransfer<T>(
  clock: StepClock,
  name: string,
  work: (onStatus: StatusSink) => Promise<T>,
): Promise<T> {
  const vertex = digestOf(name);
  return await told(
    clock,
    name,
    () => {
      const started = new Map<Digest, number>();
      const last = new Map<Digest, number>();
      return work(({ digest, current, total, done }) => {
        const time = clock.now();
        if (!started.has(digest)) started.set(digest, time);
        if (!done && time - (last.get(digest) ?? Number.NEGATIVE_INFINITY) < PROGRESS_INTERVAL_MS) return;
        last.set(digest, time);
        const status = { kind: "status" as const, vertex, id: digest, name: digest, current, total };
        clock.events({ ...status, started: started.get(digest) ?? time, ...(done ? { completed: time } : {}) });
      });
    },
    vertex,
  );
}

const PROGRESS_INTERVAL_MS = 100;

/** The parts of a vertex. What is over at once is told once. */
export function partsOf({ events, now }: StepClock, vertex: Digest): TellPart {
  return async (name, work, sizeBytes = () => 0) => {
    const event = { kind: "status" as const, vertex, id: name, name, total: 0, started: now() };
    const timer = setTimeout(() => events({ ...event, current: 0 }), PROGRESS_INTERVAL_MS);
    try {
      const result = await work();
      events({ ...event, current: sizeBytes(result), completed: now() });
      return result;
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Progress and output of a source as events of its vertex. */
export function reportTo({ events, now }: StepClock, vertex: Digest): SourceReport {
  const started = now();
  let last = Number.NEGATIVE_INFINITY;
  return {
    progress(name, current, total, isDone) {
      const time = now();
      if (!isDone && time - last < PROGRESS_INTERVAL_MS) return;
      last = time;
      events({
        kind: "status",
        vertex,
        id: name,
        name,
        current,
        total,
        started,
        ...(isDone ? { completed: time } : {}),
      });
    },
    log: (stream, data) => events({ kind: "log", vertex, stream, data, time: now() }),
  };
}
