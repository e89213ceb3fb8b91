// The text of a definition file, and errors that point into it.

import type { BuildErrorOptions, SourceLocation } from "../../../builder/core/errors.ts";
import { BuildError } from "../../../builder/core/errors.ts";

/** A file as it was read. */
export interface SourceFile {
  /** As the person named it. */
  readonly name: string;
  readonly text: string;
}

/** A part of a file: offsets of its first character and behind its last. */
export interface Place {
  readonly file: SourceFile;
  readonly start: number;
  readonly end: number;
}

/** The lines of a place. */
export function locationOf({ file, start, end }: Place): SourceLocation {
  const startLine = lineOf(file.text, start);
  const last = Math.max(start, end - 1);
  return { file: file.name, range: { startLine, endLine: lineOf(file.text, last) }, text: file.text };
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** What is wrong at a place of a definition. */
export function faultAt(place: Place, message: string, options: BuildErrorOptions = {}): BuildError {
  return new BuildError("CONFIG", message, { ...options, location: locationOf(place) });
}
