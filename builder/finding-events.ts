// A lint finding as an event of the build.

import type { WarningEvent } from "./core/events.ts";
import type { LintFinding } from "./dockerfile/instruction.ts";

/** The event of a finding in a Dockerfile of that name and text. */
export function findingEvent(
  finding: LintFinding,
  file: { readonly name: string; readonly text: string },
): WarningEvent {
  const { rule, message, description, url, range } = finding;
  return {
    kind: "warning",
    rule,
    message,
    detail: description,
    ...(url === "" ? {} : { url }),
    ...(range === undefined ? {} : { location: { file: file.name, range, text: file.text } }),
  };
}
