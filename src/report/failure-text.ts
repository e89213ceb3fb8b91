// What a build failed with, for people, from its record.

import type { SourceLocation } from "../../builder/core/errors.ts";
import type { FailureRecord, FaultPlace } from "../../builder/records/build-record.ts";
import { faultText } from "../cli/error-text.ts";

/** The failure and what else was wrong, each with its lines, ending in a newline. */
export function failureText(failure: FailureRecord): string {
  return [failure, ...(failure.others ?? [])]
    .map(({ message, place }) => faultText(message, locationOf(place)))
    .join("");
}

/** Of the text the lines that are known, in their places. */
function locationOf(place: FaultPlace | undefined): SourceLocation | undefined {
  if (place === undefined) return undefined;
  const { file, lines, firstLine = 1, startLine, endLine } = place;
  const text = lines === undefined ? undefined : `${"\n".repeat(firstLine - 1)}${lines.join("\n")}\n`;
  return { file, range: { startLine, endLine }, ...(text === undefined ? {} : { text }) };
}
