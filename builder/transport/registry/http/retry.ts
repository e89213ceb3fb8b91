// When a request is worth another try, and how long to wait before it: what the server asks for, else exponentially
// longer pauses, spread so that many clients do not come back at once.

import type { IncomingHttpHeaders } from "node:http";

export interface RetryPolicy {
  /** Further attempts after the first. */
  readonly retries: number;
  readonly firstDelayMs: number;
  /** The pauses grow up to this; a server that asks for more is not waited for. */
  readonly longestDelayMs: number;
  /** From 0 to 1; spreads the pauses over their second half. */
  readonly random: () => number;
}

/** Ten seconds in all, or as long as the server says, up to a minute each time. */
export const RETRY: RetryPolicy = { retries: 4, firstDelayMs: 700, longestDelayMs: 60_000, random: Math.random };

/** Asked once only. */
export const NO_RETRY: RetryPolicy = { ...RETRY, retries: 0 };

/** Whether a status may be another one soon. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}

/** The pause before attempt `attempt + 1`; undefined when the server asks for a longer one than anybody waits. */
export function pauseMs(policy: RetryPolicy, attempt: number, askedMs: number | undefined): number | undefined {
  if (askedMs !== undefined && askedMs > policy.longestDelayMs) return undefined;
  const longest = Math.min(policy.firstDelayMs * 2 ** attempt, policy.longestDelayMs);
  return Math.max(longest * (0.5 + policy.random() / 2), askedMs ?? 0);
}

/**
 * What Retry-After says, in seconds or as a date (RFC 9110, 10.2.3), in ms from now; undefined when it says nothing. A
 * date is measured against the answer's own Date: the clocks of both sides need not agree.
 */
export function retryAfterMs(headers: IncomingHttpHeaders): number | undefined {
  const text = headers["retry-after"]?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const until = /^[A-Z][a-z]{2,8}, .* GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(until)) return undefined;
  const now = Date.parse(headers.date ?? "");
  return Math.max(0, until - (Number.isNaN(now) ? Date.now() : now));
}
