// What a build failed with, as its record keeps it: of the Dockerfile the lines that it is about, not the whole.

import type { BuildError, SourceLocation } from "../../core/errors.ts";
import type { Fault, FailureRecord, FaultPlace } from "../../records/build-record.ts";

/** `clean` takes out what must not be written down; `step`: the place of a RUN that failed. */
export function recordedFailure(
  failure: BuildError,
  step: number | undefined,
  clean: (text: string) => string,
): FailureRecord {
  const { others } = failure;
  return {
    ...faultOf(failure, clean),
    ...(step === undefined ? {} : { step }),
    ...(others.length === 0 ? {} : { others: others.map((other) => faultOf(other, clean)) }),
  };
}

function faultOf({ message, location }: BuildError, clean: (text: string) => string): Fault {
  return { message: clean(message), ...(location === undefined ? {} : { place: placeOf(location, clean) }) };
}

/** Lines kept before and after. */
const AROUND = 2;
/** Lines kept of an instruction that goes on. */
const MOST_LINES = 60;

function placeOf({ file, range, text }: SourceLocation, clean: (text: string) => string): FaultPlace {
  const { startLine, endLine } = range;
  if (text === undefined) return { file, startLine, endLine };
  const firstLine = Math.max(1, startLine - AROUND);
  const end = Math.min(endLine + AROUND, startLine + MOST_LINES);
  // Before it is cut: a value may have several lines.
  const lines = clean(text.replace(/\n$/, "")).split("\n");
  return { file, startLine, endLine, lines: lines.slice(firstLine - 1, end), firstLine };
}
