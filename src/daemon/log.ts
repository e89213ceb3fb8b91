// What the daemon says of itself, a line for each thing. Nothing that clients send as a secret is ever told.

import { printable } from "../cli/printable.ts";

/** How much is said: what is below is left out. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** How a line looks. */
export const LOG_FORMATS = ["json", "text"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Writes one line: what happened, and facts about it. */
export type Log = (level: LogLevel, what: string, facts?: Readonly<Record<string, unknown>>) => void;

/** Lines for a stream: JSON for machines, or text for a person. */
export function logTo(write: (line: string) => void, format: LogFormat, least: LogLevel): Log {
  const line = format === "json" ? jsonLine : textLine;
  return (level, what, facts = {}) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return;
    write(`${line(new Date().toISOString(), level, what, facts)}\n`);
  };
}

type Line = (time: string, level: LogLevel, what: string, facts: Readonly<Record<string, unknown>>) => string;

const jsonLine: Line = (time, level, what, facts) => JSON.stringify({ time, level, msg: what, ...facts });

const textLine: Line = (time, level, what, facts) => {
  const pairs = Object.entries(facts).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${typeof value === "string" ? quoted(value) : JSON.stringify(value)}`],
  );
  return [time, level.toUpperCase().padEnd(5), what, ...pairs].join(" ");
};

/** What a client wrote must not move the cursor of whoever reads. */
function quoted(value: string): string {
  return /^[\w./:@+-]+$/.test(value) ? value : printable(JSON.stringify(value));
}
