// A moment in the past, as docker's filter "until" has it: how long ago, or when.

import { BuildError } from "../../../builder/core/errors.ts";
import { parseDuration } from "./disk-filter.ts";

/** "24h", "1795716440" (seconds since the epoch), "2026-11-26", "2026-11-26T18:00:00Z": ms since the epoch. Throws `USAGE`. */
export function parseMoment(text: string, nowMs: number, what: string): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  try {
    return nowMs - parseDuration(text, what);
  } catch (cause) {
    throw new BuildError("USAGE", `${what} failed to parse value as time or duration: "${text}"`, { cause });
  }
}
