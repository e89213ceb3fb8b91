// Events as the messages of the Status stream, cut so that every client takes them.

import type { BuildEvent, LogEvent, WarningEvent } from "../../../builder/core/events.ts";
import type { Of } from "../../api/proto/message.ts";
import type { StatusResponse, VertexLog, VertexWarning } from "../../api/proto/control.ts";

/** Of one message; clients take 16 MiB. */
const MOST_BYTES = 1 << 20;
const EVENT_BYTES = 256;

/** The messages for some events, in order. `now` is the time of what says none, in ms. */
export function statusMessages(events: readonly BuildEvent[], now: number): readonly StatusResponse[] {
  const messages: Draft[] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const event of events.flatMap(pieces)) {
    size += EVENT_BYTES + (event.kind === "log" ? event.data.length : event.kind === "warning" ? textSize(event) : 0);
    let draft = messages.at(-1);
    if (size > MOST_BYTES || draft === undefined) {
      size = 0;
      messages.push((draft = { vertexes: [], statuses: [], logs: [], warnings: [] }));
    }
    add(draft, event, now);
  }
  return messages;
}

type Draft = { -readonly [K in keyof StatusResponse]: StatusResponse[K][number][] };

function add(draft: Draft, event: BuildEvent, now: number): void {
  switch (event.kind) {
    case "vertex":
      draft.vertexes.push({
        digest: event.vertex,
        inputs: event.inputs,
        name: event.name,
        cached: event.cached ?? false,
        started: event.started,
        completed: event.completed,
        error: event.error ?? "",
      });
      break;
    case "status": {
      const { id, vertex, name, current, total, started, completed } = event;
      // A status without a beginning is not shown.
      const times = { timestamp: completed ?? now, started: started ?? now, completed };
      draft.statuses.push({ id, vertex, name, current, total, ...times });
      break;
    }
    case "log":
      draft.logs.push(logOf(event));
      break;
    case "warning":
      draft.warnings.push(warningOf(event));
      break;
  }
}

function logOf({ vertex, time, stream, data }: LogEvent): Of<typeof VertexLog> {
  return { vertex, timestamp: time, stream, data };
}

/** Its text names the line, and each line of its place is a range, as BuildKit has it. */
function warningOf({ vertex, rule, message, detail, url, location }: WarningEvent): Of<typeof VertexWarning> {
  const line = location === undefined ? "" : ` (line ${location.range.startLine})`;
  const { startLine = 1, endLine = 0 } = location?.range ?? {};
  const lines = Array.from({ length: endLine - startLine + 1 }, (_, at) => ({ line: startLine + at, character: 0 }));
  return {
    vertex: vertex ?? "",
    level: 1,
    short: Buffer.from(rule === undefined ? message : `${rule}: ${message}${line}`),
    detail: detail === undefined ? [] : [Buffer.from(detail)],
    url: url ?? "",
    info: location && {
      filename: location.file,
      data: Buffer.from(location.text ?? ""),
      language: "Dockerfile",
    },
    ranges: lines.map((line) => ({ start: line, end: line })),
  };
}

function textSize({ location, message, detail }: WarningEvent): number {
  return message.length + (detail?.length ?? 0) + (location?.text?.length ?? 0);
}

function pieces(event: BuildEvent): readonly BuildEvent[] {
  if (event.kind !== "log" || event.data.length <= MOST_BYTES) return [event];
  const found: BuildEvent[] = [];
  for (let at = 0; at < event.data.length; at += MOST_BYTES)
    found.push({ ...event, data: event.data.subarray(at, at + MOST_BYTES) });
  return found;
}
