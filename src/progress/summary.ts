// What stands below a finished build: the output of what failed, and the warnings.

import type { SourceLocation } from "../../builder/core/errors.ts";
import type { WarningEvent } from "../../builder/core/events.ts";
import { colouredText, lastOverwrite, plainText } from "./terminal-text.ts";
import type { Trace } from "./trace.ts";
import { isCancelled } from "./trace.ts";
import { formatOffset } from "./units.ts";
import { warningText } from "./warning-text.ts";

/** The last lines of each failed step between rules, as BuildKit ends its progress; "" when none failed. */
export function errorBlock(trace: Trace, mostLines: number): string {
  let text = "";
  for (const step of trace.steps) {
    if (step.error === undefined || isCancelled(step) || step.lines.length === 0) continue;
    const lines = step.lines
      .slice(-mostLines)
      .map((line) => `${formatOffset(line.time - step.started)} ${colouredText(lastOverwrite(line.text))}\n`);
    text += `------\n > ${plainText(step.name)}:\n${lines.join("")}------\n`;
  }
  return text;
}

/** The list of warnings; "" when there are none. `excerpt` shows the lines of a place, for the long form. */
export function warningList(
  warnings: readonly WarningEvent[],
  debug: boolean,
  excerpt: (location: SourceLocation) => string,
): string {
  if (warnings.length === 0) return "";
  const count = `${warnings.length} warning${warnings.length === 1 ? "" : "s"} found`;
  let text = `\n ${count}${debug ? "" : " (use --debug to expand)"}:\n`;
  for (const warning of warnings) {
    text += ` - ${warningText(warning)}\n`;
    if (!debug) continue;
    const { detail, url, location } = warning;
    if (detail !== undefined) text += `${detail}\n`;
    if (url !== undefined) text += `More info: ${url}\n`;
    if (location !== undefined) text += excerpt(location);
    text += "\n";
  }
  return text;
}
