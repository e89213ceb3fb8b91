// A record as the events it was made of, so that every view of a build can be had again.

import type { BuildEvent, VertexEvent } from "../core/events.ts";
import type { BuildRecord } from "./build-record.ts";
import type { LogChunk } from "./log-file.ts";
import type { TimelineStep } from "./timeline.ts";

/** The events in the order of their times, with the output between them. Of progress only what was reached is known. */
export function* replay({ timeline }: BuildRecord, log: Iterable<LogChunk>): Generator<BuildEvent> {
  const { steps, warnings } = timeline;
  for (const { vertex, rule, message, detail, url, file, line } of warnings) {
    yield {
      kind: "warning",
      message,
      ...(vertex === undefined ? {} : { vertex }),
      ...(rule === undefined ? {} : { rule }),
      ...(detail === undefined ? {} : { detail }),
      ...(url === undefined ? {} : { url }),
      ...(file === undefined || line === undefined
        ? {}
        : { location: { file, range: { startLine: line, endLine: line } } }),
    };
  }
  const told = steps.flatMap(eventsOf).toSorted((a, b) => a.timeMs - b.timeMs || a.rank - b.rank);
  let next = 0;
  for (const { step, stream, time, data } of log) {
    // At one time: a step begins, prints, ends.
    for (let at = told[next]; at !== undefined && isBefore(at, time); at = told[++next]) yield at.event;
    const vertex = steps[step]?.vertex;
    if (vertex !== undefined) yield { kind: "log", vertex, stream, time, data };
  }
  for (const { event } of told.slice(next)) yield event;
}

interface TimedEvent {
  readonly timeMs: number;
  /** Order at one time. */
  readonly rank: number;
  readonly event: BuildEvent;
}

function isBefore({ timeMs, rank }: TimedEvent, time: number): boolean {
  return timeMs < time || (timeMs === time && rank === 0);
}

function eventsOf(step: TimelineStep): TimedEvent[] {
  const { vertex, name, inputs, startedMs, completedMs, cached, cachedFrom, error, parts = [] } = step;
  const event: VertexEvent = { kind: "vertex", vertex, name, inputs };
  if (startedMs === undefined) return [{ timeMs: 0, rank: 0, event }];
  const started: VertexEvent = { ...event, started: startedMs };
  const begin = { timeMs: startedMs, rank: 0, event: started };
  const told = parts.map((part): TimedEvent => {
    const { id, name: partName, current, total } = part;
    const times = {
      ...(part.startedMs === undefined ? {} : { started: part.startedMs }),
      ...(part.completedMs === undefined ? {} : { completed: part.completedMs }),
    };
    const timeMs = Math.max(startedMs, part.completedMs ?? part.startedMs ?? startedMs);
    return { timeMs, rank: 1, event: { kind: "status", vertex, id, name: partName, current, total, ...times } };
  });
  if (completedMs === undefined) return [begin, ...told];
  const end: VertexEvent = {
    ...started,
    completed: completedMs,
    ...(cached === true ? { cached } : {}),
    ...(cachedFrom === undefined ? {} : { cachedFrom }),
    ...(error === undefined ? {} : { error }),
  };
  return [begin, ...told, { timeMs: completedMs, rank: 2, event: end }];
}
