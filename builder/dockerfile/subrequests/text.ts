// The forms in which BuildKit's frontend answers: JSON as Go writes it, columns, lines of the Dockerfile.

import type { SourceRange } from "../../core/errors.ts";

/** An answer: `json` for programs, `text` for people. */
export interface Answer {
  readonly json: string;
  readonly text: string;
}

/** BuildKit's pb.Location. A range of it is one line. */
export interface JsonLocation {
  readonly ranges?: readonly { readonly start: { readonly line: number }; readonly end: { readonly line: number } }[];
}

/** A place as JSON: a range for each of its lines. */
export function jsonLocation({ startLine, endLine }: SourceRange): JsonLocation {
  const count = Math.max(1, endLine - startLine + 1);
  const lines = Array.from({ length: count }, (_, index) => startLine + index);
  return { ranges: lines.map((line) => ({ start: { line }, end: { line } })) };
}

const ESCAPED = /[<>&\u2028\u2029]/g;

/** JSON with an indent of two, and what Go escapes for the sake of HTML escaped; fields that are undefined are left out. */
export function goJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(
    ESCAPED,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What is empty is left out, as Go's omitempty does. */
export function unlessEmpty<T extends string | readonly unknown[]>(value: T): T | undefined {
  return value.length === 0 ? undefined : value;
}

/** Rows in columns of equal width, `gap` spaces apart; the last column is as long as it is. */
export function table(rows: readonly (readonly string[])[], gap: number): string {
  const last = greatest(rows.map((row) => row.length)) - 1;
  const widths = Array.from({ length: last }, (_, at) => greatest(rows.map((row) => [...(row[at] ?? "")].length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at < last ? cell + " ".repeat((widths[at] ?? 0) + gap - [...cell].length) : cell)).join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}

/** There may be more numbers than a function takes arguments. */
function greatest(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), 0);
}

/** The lines of a range with two or more around them, under a line that names the place; "" where there are none. */
export function sourceExcerpt(file: string, lines: readonly string[], range: SourceRange): string {
  if (range.startLine < 1 || range.startLine > lines.length) return "";
  let first = range.startLine;
  let last = Math.min(Math.max(range.endLine, first), lines.length);
  // One line gets four more, several get two; at an end of the file the other side gets what is left.
  const wanted = first === last ? 4 : 2;
  // A round counts as one line more than it adds, as in BuildKit.
  for (let counted = 0; counted < wanted; counted++) {
    if (first > 1) {
      first--;
      counted++;
    }
    if (last !== lines.length) {
      last++;
      counted++;
    }
  }
  let body = "";
  for (let number = first; number <= last; number++) {
    const mark = number >= range.startLine && number <= range.endLine ? ">>>" : "   ";
    body += ` ${String(number).padStart(3)} | ${mark} ${lines[number - 1] ?? ""}\n`;
  }
  const rule = "--------------------\n";
  return `${file}:${range.startLine}\n${rule}${body}${rule}`;
}
