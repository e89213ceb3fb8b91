// A lint finding as an event of the build.

import type { Digest } from "../core/digest.ts";
import type { WarningEvent } from "../core/events.ts";
import type { LintFinding } from "../dockerfile/instruction.ts";

/** The event of a finding in a Dockerfile of that name and text, which the step `vertex` has read. */
export function findingEvent(
  finding: LintFinding,
  file: { readonly name: string; readonly text: string; readonly vertex?: Digest | undefined },
): WarningEvent {
  const { rule, message, description, url, range } = finding;
  return {
    kind: "warning",
    ...(file.vertex === undefined ? {} : { vertex: file.vertex }),
    rule,
    message,
    detail: description,
    ...(url === "" ? {} : { url }),
    ...(range === undefined ? {} : { location: { file: file.name, range, text: file.text } }),
  };
}
