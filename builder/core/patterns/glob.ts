// One pattern against one name, as Go's filepath.Match has it on Linux: "*" and "?" that stop at slashes,
// character classes, and "\" before a character that is meant literally.

import type { BytePath } from "../bytes/byte-path.ts";
import { displayPath } from "../bytes/byte-path.ts";

/** A pattern that breaks the syntax. Its users say where the pattern was written. */
export class BadPattern extends Error {
  constructor() {
    super("syntax error in pattern");
  }
}

/** A pattern that was read; the whole name must match. */
export type Glob = (name: BytePath) => boolean;

/** Reads a pattern, which is text (not a byte path). Throws BadPattern. */
export function compileGlob(pattern: string): Glob {
  const chunks = readChunks(Array.from(pattern));
  return (name) => matches(chunks, codesOf(displayPath(name)));
}

/** Throws BadPattern if the pattern breaks the syntax. */
export function checkGlob(pattern: string): void {
  readChunks(Array.from(pattern));
}

/** One character of a chunk: a code, any but a slash, or a class. */
type Item =
  number | "any" | { readonly isNegated: boolean; readonly ranges: readonly (readonly [low: number, high: number])[] };

/** What stands before the next star. */
interface Chunk {
  readonly hasStar: boolean;
  readonly items: readonly Item[];
}

const SLASH = 0x2f;

function codesOf(text: string): readonly number[] {
  return Array.from(text, (char) => char.codePointAt(0) ?? 0);
}

function matches(chunks: readonly Chunk[], name: readonly number[]): boolean {
  let at = 0;
  for (const [index, { hasStar, items }] of chunks.entries()) {
    const isLast = index === chunks.length - 1;
    const end = hasStar ? starEnd(name, at) : at;
    // The last chunk can only stand at the end of the name.
    let place = isLast ? Math.max(at, name.length - items.length) : at;
    while (place <= end && !fits(items, name, place)) place++;
    if (place > end) return false;
    at = place + items.length;
  }
  return at === name.length;
}

/** How far a star reaches: to the next slash or the end. */
function starEnd(name: readonly number[], from: number): number {
  const slash = name.indexOf(SLASH, from);
  return slash < 0 ? name.length : slash;
}

function fits(items: readonly Item[], name: readonly number[], place: number): boolean {
  if (place + items.length > name.length) return false;
  return items.every((item, index) => accepts(item, name[place + index] ?? 0));
}

function accepts(item: Item, code: number): boolean {
  if (typeof item === "number") return item === code;
  if (item === "any") return code !== SLASH;
  return item.ranges.some(([low, high]) => low <= code && code <= high) !== item.isNegated;
}

function readChunks(pattern: readonly string[]): Chunk[] {
  const chunks: Chunk[] = [];
  let at = 0;
  do {
    const start = at;
    while (pattern[at] === "*") at++;
    const { items, end } = readItems(pattern, at);
    chunks.push({ hasStar: at > start, items });
    at = end;
  } while (at < pattern.length);
  return chunks;
}

function readItems(pattern: readonly string[], start: number): { items: Item[]; end: number } {
  const items: Item[] = [];
  let at = start;
  while (at < pattern.length && pattern[at] !== "*") {
    const char = pattern[at++];
    if (char === "?") items.push("any");
    else if (char === "[") {
      const { item, end } = readClass(pattern, at);
      items.push(item);
      at = end;
    } else {
      const literal = char === "\\" ? pattern[at++] : char;
      if (literal === undefined) throw new BadPattern();
      items.push(literal.codePointAt(0) ?? 0);
    }
  }
  return { items, end: at };
}

function readClass(pattern: readonly string[], start: number): { item: Item; end: number } {
  const isNegated = pattern[start] === "^";
  const ranges: [number, number][] = [];
  let at = isNegated ? start + 1 : start;
  while (ranges.length === 0 || pattern[at] !== "]") {
    const low = readClassChar(pattern, at);
    at = low.end;
    let high = low;
    if (pattern[at] === "-") {
      high = readClassChar(pattern, at + 1);
      at = high.end;
    }
    ranges.push([low.code, high.code]);
  }
  return { item: { isNegated, ranges }, end: at + 1 };
}

function readClassChar(pattern: readonly string[], start: number): { readonly code: number; readonly end: number } {
  const isEscaped = pattern[start] === "\\";
  const char = pattern[isEscaped ? start + 1 : start];
  const end = isEscaped ? start + 2 : start + 1;
  if (char === undefined || (!isEscaped && (char === "-" || char === "]")) || end >= pattern.length)
    throw new BadPattern();
  return { code: char.codePointAt(0) ?? 0, end };
}
