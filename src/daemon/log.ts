// What the daemon says of itself, as JSON lines. Nothing that clients send as a secret is ever told.

/** Writes one line: what happened, and facts about it. */
export type Log = (level: "info" | "warn" | "error", what: string, facts?: Readonly<Record<string, unknown>>) => void;

/** Lines for a stream. */
export function jsonLog(write: (line: string) => void): Log {
  return (level, what, facts = {}) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, msg: what, ...facts })}\n`);
}
