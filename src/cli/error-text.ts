// An error as people read it: what failed and where, the lines it is about, what to do.

import { inspect } from "node:util";
import type { BuildError, SourceLocation } from "../../builder/core/errors.ts";

/** Lines shown before and after the ones an error is about, as BuildKit shows them. */
const CONTEXT_LINES = 2;

/** The text of an error and of what else is wrong with the file, ending in a newline. With `debug` also stack and causes. */
export function errorText(error: BuildError, debug: boolean): string {
  return [error, ...error.others].map((each) => oneText(each, debug)).join("");
}

/** A message and where it belongs to, with the lines around, ending in a newline. */
export function faultText(message: string, location: SourceLocation | undefined): string {
  const place = location === undefined ? "" : `${location.file}:${location.range.startLine}: `;
  return `${place}${readable(message, LONGEST_MESSAGE)}\n${location === undefined ? "" : excerpt(location)}`;
}

function oneText(error: BuildError, debug: boolean): string {
  const { location, hint } = error;
  let text = `ERROR: ${faultText(error.message, location)}`;
  if (hint !== undefined) text += `${hint}\n`;
  return debug ? text + causes(error) : text;
}

const LONGEST_MESSAGE = 4000;
const LONGEST_LINE = 240;
/** Lines shown of an instruction that has more: its first ones. */
const MOST_LINES = 20;

/** The lines around a range, those of the range marked; "" when the text is not known. */
export function excerpt(location: SourceLocation): string {
  if (location.text === undefined) return "";
  const lines = linesOf(location.text);
  const { startLine, endLine } = location.range;
  const first = Math.max(1, startLine - CONTEXT_LINES);
  const last = Math.min(lines.length, endLine + CONTEXT_LINES);
  if (first > last) return "";
  const show = (from: number, to: number): string => {
    let text = "";
    for (let number = from; number <= to; number++) {
      const mark = number >= startLine && number <= endLine ? ">>> " : "    ";
      const line = readable((lines[number - 1] ?? "").replace(/\r$/, ""), LONGEST_LINE);
      text += `${String(number).padStart(4)} | ${mark}${line}`.trimEnd() + "\n";
    }
    return text;
  };
  const rule = "--------------------\n";
  const end = Math.min(endLine, lines.length);
  const left = end - startLine + 1 - MOST_LINES;
  if (left <= MOST_LINES) return rule + show(first, last) + rule;
  const more = `     | >>> … ${left} more lines\n`;
  return rule + show(first, startLine + MOST_LINES - 1) + more + show(end + 1, last) + rule;
}

/** A list of warnings shows many places of one file. */
let lastSplit: { text: string; lines: readonly string[] } = { text: "", lines: [] };

function linesOf(text: string): readonly string[] {
  if (text !== lastSplit.text) lastSplit = { text, lines: text.replace(/\n$/, "").split("\n") };
  return lastSplit.lines;
}

/** Text that may hold anything as a terminal can show it: not endless, and control characters as `^@`. */
function readable(text: string, longest: number): string {
  const shown = text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;
  return shown.replace(/[\0-\x08\x0b-\x1f\x7f]/g, (char) => `^${String.fromCharCode(char.charCodeAt(0) ^ 64)}`);
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
