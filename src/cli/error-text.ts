// An error as people read it: what failed and where, the lines it is about, what to do.

import { inspect } from "node:util";
import type { BuildError, SourceLocation } from "../../builder/core/errors.ts";

/** Lines shown before and after the ones an error is about, as BuildKit shows them. */
const CONTEXT_LINES = 2;

/** The text of an error, ending in a newline. With `debug` also stack and causes. */
export function errorText(error: BuildError, debug: boolean): string {
  const { location, hint } = error;
  const place = location === undefined ? "" : `${location.file}:${location.range.startLine}: `;
  let text = `ERROR: ${place}${error.message}\n`;
  if (location !== undefined) text += excerpt(location);
  if (hint !== undefined) text += `${hint}\n`;
  return debug ? text + causes(error) : text;
}

/** The lines around a range, those of the range marked; "" when the text is not known. */
export function excerpt(location: SourceLocation): string {
  if (location.text === undefined) return "";
  const lines = location.text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const { startLine, endLine } = location.range;
  const first = Math.max(1, startLine - CONTEXT_LINES);
  const last = Math.min(lines.length, endLine + CONTEXT_LINES);
  if (first > last) return "";
  const rule = "--------------------\n";
  let body = "";
  for (let number = first; number <= last; number++) {
    const mark = number >= startLine && number <= endLine ? ">>> " : "    ";
    const line = (lines[number - 1] ?? "").replace(/\r$/, "");
    body += `${String(number).padStart(4)} | ${mark}${line}`.trimEnd() + "\n";
  }
  return rule + body + rule;
}

function causes(error: BuildError): string {
  let text = `\n[${error.code}] ${error.stack ?? ""}\n`;
  const seen = new Set<unknown>([error]);
  for (let cause = error.cause; cause !== undefined && !seen.has(cause);) {
    seen.add(cause);
    text += `caused by: ${cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)}\n`;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return text;
}
