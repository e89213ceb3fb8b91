// `--filter` of lists of builds, with the operators of `docker buildx history ls`.

import { BuildError } from "../../../builder/core/errors.ts";

/** What filters look at. Times are ms. */
export interface FilteredBuild {
  readonly ref: string;
  readonly name: string;
  readonly status: string;
  readonly startedAt: number;
  readonly completedAt: number;
  readonly duration: number;
}

/** Whether a build is wanted. */
export type BuildFilter = (build: FilteredBuild) => boolean;

const TEXTS = ["ref", "name", "status"] as const;
const TIMES = ["startedAt", "completedAt"] as const;
const FORM = /^([A-Za-z]+)\s*(!=|~=|>=|<=|=|>|<)\s*(.*)$/s;

/**
 * Reads one filter: `=`, `!=` and `~=` (a regular expression) for ref, name and status; `=`, `<`, `<=`, `>`, `>=` for
 * duration (`90s`, `1m30s`), startedAt and completedAt (a date, or how long before `now`). Throws `USAGE`.
 */
export function parseBuildFilter(text: string, now: number): BuildFilter {
  const [, key = "", operator = "", value = ""] = FORM.exec(text) ?? [];
  const wrong = (why: string): BuildError => new BuildError("USAGE", `--filter "${text}": ${why}`);
  const textKey = TEXTS.find((name) => name === key);
  if (textKey !== undefined) return textFilter(textKey, operator, value, wrong);
  const timeKey = TIMES.find((name) => name === key);
  if (timeKey === undefined && key !== "duration")
    throw wrong(`filters are ${[...TEXTS, ...TIMES, "duration"].join(", ")}, as in status=error`);
  const wanted = timeKey === undefined ? durationMs(value) : timeMs(value, now);
  if (wanted === undefined) throw wrong(timeKey === undefined ? "no duration" : "neither a date nor a duration");
  const numberOf = (build: FilteredBuild): number => build[timeKey ?? "duration"];
  switch (operator) {
    case "=":
      return (build) => numberOf(build) === wanted;
    case "<":
      return (build) => numberOf(build) < wanted;
    case "<=":
      return (build) => numberOf(build) <= wanted;
    case ">":
      return (build) => numberOf(build) > wanted;
    case ">=":
      return (build) => numberOf(build) >= wanted;
  }
  throw wrong(`"${operator}" is not for ${key}`);
}

function textFilter(
  key: (typeof TEXTS)[number],
  operator: string,
  value: string,
  wrong: (why: string) => BuildError,
): BuildFilter {
  switch (operator) {
    case "=":
      return (build) => build[key] === value;
    case "!=":
      return (build) => build[key] !== value;
    case "~=": {
      const pattern = patternOf(value);
      if (pattern === undefined) throw wrong("no regular expression");
      return (build) => pattern.test(build[key]);
    }
  }
  throw wrong(`"${operator}" is not for ${key}`);
}

function patternOf(text: string): RegExp | undefined {
  try {
    return new RegExp(text, "u");
  } catch {
    return undefined;
  }
}

/** A duration is so long ago, as in buildx. */
function timeMs(text: string, now: number): number | undefined {
  const ago = durationMs(text);
  if (ago !== undefined) return now - ago;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** "1h30m", "1.5s", "200ms". */
function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g);
  return [...parts].reduce((sum, [, count = "0", unit = "s"]) => sum + Number(count) * (UNITS_MS[unit] ?? 0), 0);
}
