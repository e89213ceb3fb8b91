// Recorded events, for the tests of the views. Times are seconds after the build began.

import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { LogEvent, StatusEvent, VertexEvent, WarningEvent } from "../../builder/core/events.ts";

const BEGIN = Date.UTC(2026, 0, 1);

/** A moment of the recording, ms since the epoch. */
export function at(seconds: number): number {
  return BEGIN + Math.round(seconds * 1000);
}

function id(name: string): Digest {
  return digestOf(name);
}

export function starts(name: string, seconds: number): VertexEvent {
  return { kind: "vertex", vertex: id(name), name, inputs: [], started: at(seconds) };
}

export function ends(
  name: string,
  from: number,
  to: number,
  how: { cached?: boolean; error?: string } = {},
): VertexEvent {
  return { ...starts(name, from), completed: at(to), ...how };
}

export function says(name: string, seconds: number, text: string | Uint8Array, stream: 1 | 2 = 1): LogEvent {
  return { kind: "log", vertex: id(name), stream, data: Buffer.from(text), time: at(seconds) };
}

export function moves(
  name: string,
  part: string,
  current: number,
  total: number,
  from: number,
  to?: number,
): StatusEvent {
  return {
    kind: "status",
    vertex: id(name),
    id: part,
    name: part,
    current,
    total,
    started: at(from),
    ...(to === undefined ? {} : { completed: at(to) }),
  };
}

export const LINT: WarningEvent = {
  kind: "warning",
  rule: "FromAsCasing",
  message: "'as' and 'FROM' keywords' casing do not match",
  detail: "The 'as' keyword should match the case of the 'from' keyword",
  url: "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
  location: { file: "Dockerfile", range: { startLine: 1, endLine: 1 }, text: "FROM x as y\n" },
};
