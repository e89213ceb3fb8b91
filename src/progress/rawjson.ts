// Events as JSON lines of the shape of BuildKit's client.SolveStatus, so that what reads `--progress=rawjson` of
// buildx reads ours. A failed build ends with one line of ours: {"error":{"code","message","exitCode"}}.

import type { BuildError, SourceRange } from "../../builder/core/errors.ts";
import type { BuildEvent, WarningEvent } from "../../builder/core/events.ts";

/** One event, as one line with its line feed; `now` is the time of a status. */
export function rawJsonLine(event: BuildEvent, now: number): string {
  return `${JSON.stringify(solveStatus(event, now))}\n`;
}

/** The last line of a build that failed. */
export function rawJsonError(error: BuildError): string {
  const others = error.others.length === 0 ? undefined : error.others.map(errorFields);
  return `${JSON.stringify({ error: { ...errorFields(error), others } })}\n`;
}

function errorFields({ code, message, exitCode, location, hint }: BuildError): object {
  const place = location && {
    file: location.file,
    startLine: location.range.startLine,
    endLine: location.range.endLine,
  };
  return { code, message, exitCode, hint, location: place };
}

// Fields that are undefined do not appear, as Go's omitempty leaves out what is empty.
function solveStatus(event: BuildEvent, now: number): object {
  switch (event.kind) {
    case "vertex":
      return {
        vertexes: [
          {
            digest: event.vertex,
            inputs: event.inputs.length === 0 ? undefined : event.inputs,
            name: event.name,
            started: time(event.started),
            completed: time(event.completed),
            cached: event.cached === true ? true : undefined,
            error: event.error,
          },
        ],
      };
    case "status":
      return {
        statuses: [
          {
            id: event.id,
            vertex: event.vertex,
            name: event.name === "" ? undefined : event.name,
            total: event.total === 0 ? undefined : event.total,
            current: event.current,
            timestamp: time(event.completed ?? now),
            started: time(event.started),
            completed: time(event.completed),
          },
        ],
      };
    case "log":
      return {
        logs: [{ vertex: event.vertex, stream: event.stream, data: base64(event.data), timestamp: time(event.time) }],
      };
    case "warning":
      return { warnings: [vertexWarning(event)] };
  }
}

/** A warning as BuildKit's client has it: its text names the line, and each line of its place is a range. */
export function vertexWarning({ vertex, rule, message, detail, url, location }: WarningEvent): object {
  const line = location === undefined ? "" : ` (line ${location.range.startLine})`;
  return {
    vertex,
    level: 1,
    short: base64(rule === undefined ? message : `${rule}: ${message}${line}`),
    detail: detail === undefined ? undefined : [base64(detail)],
    url,
    sourceInfo: location && { filename: location.file, data: encodedFile(location.text ?? ""), language: "Dockerfile" },
    range: location && lines(location.range),
  };
}

/** All warnings are about one file, which may be long. */
let lastFile = { text: "", data: "" };

function encodedFile(text: string): string {
  if (text !== lastFile.text) lastFile = { text, data: base64(text) };
  return lastFile.data;
}

function lines({ startLine, endLine }: SourceRange): object[] {
  const found: object[] = [];
  for (let line = startLine; line <= endLine; line++) found.push({ start: { line }, end: { line } });
  return found;
}

function time(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

function base64(data: string | Uint8Array): string {
  return Buffer.from(data).toString("base64");
}
