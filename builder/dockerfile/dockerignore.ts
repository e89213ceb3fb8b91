// .dockerignore: text → patterns. What the patterns mean is in core/patterns/pattern.ts.

import { BuildError } from "../core/errors.ts";
import { cleanPath } from "./convert/paths.ts";
import { trimSpace } from "./space.ts";

const MAX_LINE_BYTES = 65535;

/** A pattern and the line it stands on, from 1. */
export interface IgnoreLine {
  readonly pattern: string;
  readonly line: number;
}

/** The patterns of an ignore file in order, cleaned, "!" first where negated. Throws `CONTEXT` for a line that is too long. */
export function readIgnore(text: string): string[] {
  return readIgnoreLines(text).map(({ pattern }) => pattern);
}

/** The same, with where each stands. */
export function readIgnoreLines(text: string): IgnoreLine[] {
  const lines: IgnoreLine[] = [];
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  for (const [index, line] of body.split("\n").entries()) {
    if (line.length * 3 > MAX_LINE_BYTES && Buffer.byteLength(line) > MAX_LINE_BYTES) {
      throw new BuildError("CONTEXT", `line ${index + 1} of the ignore file is longer than ${MAX_LINE_BYTES} bytes`);
    }
    const pattern = trimSpace(line);
    if (line.startsWith("#") || pattern === "") continue;
    const clean = pattern.startsWith("!") ? `!${cleanPattern(trimSpace(pattern.slice(1)))}` : cleanPattern(pattern);
    lines.push({ pattern: clean, line: index + 1 });
  }
  return lines;
}

/** Cleaned as Go's filepath.Clean does, and relative. */
function cleanPattern(pattern: string): string {
  if (pattern === "") return "";
  const clean = cleanPath(pattern);
  return clean.length > 1 && clean.startsWith("/") ? clean.slice(1) : clean;
}
