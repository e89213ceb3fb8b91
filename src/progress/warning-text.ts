// A warning in one line.

import type { WarningEvent } from "../../builder/core/events.ts";
import { plainLines } from "./terminal-text.ts";

/** The rule, what it found, and where. */
export function warningText({ rule, message, location }: WarningEvent): string {
  const place = location === undefined ? "" : ` (${location.file}:${location.range.startLine})`;
  return `${rule === undefined ? "" : `${rule}: `}${plainLines(message)}${place}`;
}
