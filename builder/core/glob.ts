// One pattern against one name, as Go's filepath.Match has it on Linux: "*" and "?" that stop at slashes,
// character classes, and "\" before a character that is meant literally.

import type { BytePath } from "./byte-path.ts";
import { displayPath } from "./byte-path.ts";

/** A pattern that breaks the syntax. Its users say where the pattern was written. */
export class BadPattern extends Error {
  constructor() {
    super("syntax error in pattern");
  }
}

/** Whether the whole name matches. The pattern is text (not a byte path). Throws BadPattern. */
export function matchGlob(pattern: string, name: BytePath): boolean {
  let rest = Array.from(pattern);
  let left: readonly string[] | undefined = Array.from(displayPath(name));
  while (rest.length > 0 && left !== undefined) {
    const { hasStar, chunk, after } = nextChunk(rest);
    rest = after;
    if (hasStar && chunk.length === 0) return !left.includes("/");
    left = placeChunk(chunk, left, hasStar, rest.length === 0);
  }
  if (left !== undefined) return left.length === 0;
  checkSyntax(rest);
  return false;
}

/** Throws BadPattern if the pattern breaks the syntax. */
export function checkGlob(pattern: string): void {
  checkSyntax(Array.from(pattern));
}

function checkSyntax(pattern: readonly string[]): void {
  for (let rest = pattern; rest.length > 0;) {
    const { chunk, after } = nextChunk(rest);
    matchChunk(chunk, []);
    rest = after;
  }
}

interface Chunk {
  readonly hasStar: boolean;
  /** What stands before the next star. */
  readonly chunk: readonly string[];
  readonly after: string[];
}

function nextChunk(pattern: readonly string[]): Chunk {
  let start = 0;
  while (pattern[start] === "*") start++;
  let isInClass = false;
  let end = start;
  for (; end < pattern.length; end++) {
    const char = pattern[end];
    if (char === "\\") end++;
    else if (char === "[") isInClass = true;
    else if (char === "]") isInClass = false;
    else if (char === "*" && !isInClass) break;
  }
  return { hasStar: start > 0, chunk: pattern.slice(start, end), after: pattern.slice(end) };
}

/** What is left of the name behind the first place where the chunk fits; undefined if it fits nowhere. */
function placeChunk(
  chunk: readonly string[],
  name: readonly string[],
  hasStar: boolean,
  isLast: boolean,
): readonly string[] | undefined {
  for (let at = 0; ; at++) {
    const left = matchChunk(chunk, name.slice(at));
    if (left !== undefined && (!isLast || left.length === 0)) return left;
    if (!hasStar || at >= name.length || name[at] === "/") return undefined;
  }
}

/** What is left of the name behind the chunk. The chunk is read to its end even when it does not fit, for its syntax. */
function matchChunk(chunk: readonly string[], name: readonly string[]): readonly string[] | undefined {
  let fits = true;
  let used = 0;
  for (let at = 0; at < chunk.length;) {
    const char = name[used];
    if (char === undefined) fits = false;
    used++;
    const symbol = chunk[at];
    if (symbol === "[") {
      const { accepts, end } = readClass(chunk, at + 1, char);
      if (!accepts) fits = false;
      at = end;
      continue;
    }
    if (symbol === "?") {
      if (char === "/") fits = false;
      at++;
      continue;
    }
    if (symbol === "\\") at++;
    if (at >= chunk.length) throw new BadPattern();
    if (chunk[at] !== char) fits = false;
    at++;
  }
  return fits ? name.slice(used) : undefined;
}

function readClass(
  chunk: readonly string[],
  start: number,
  char: string | undefined,
): { accepts: boolean; end: number } {
  const code = char?.codePointAt(0) ?? 0;
  const isNegated = chunk[start] === "^";
  let at = isNegated ? start + 1 : start;
  let isIn = false;
  for (let count = 0; count === 0 || chunk[at] !== "]"; count++) {
    const low = readClassChar(chunk, at);
    at = low.end;
    let high = low;
    if (chunk[at] === "-") {
      high = readClassChar(chunk, at + 1);
      at = high.end;
    }
    if (low.code <= code && code <= high.code) isIn = true;
  }
  return { accepts: isIn !== isNegated, end: at + 1 };
}

function readClassChar(chunk: readonly string[], start: number): { readonly code: number; readonly end: number } {
  const isEscaped = chunk[start] === "\\";
  const char = chunk[isEscaped ? start + 1 : start];
  const end = isEscaped ? start + 2 : start + 1;
  if (char === undefined || (!isEscaped && (char === "-" || char === "]")) || end >= chunk.length)
    throw new BadPattern();
  return { code: char.codePointAt(0) ?? 0, end };
}
