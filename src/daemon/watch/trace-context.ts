// Which trace a build belongs to: the client's, where it says one (W3C Trace Context, traceparent), else one of its own.

import { randomBytes } from "node:crypto";

/** Where a build hangs in a trace. */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits; undefined: the build is the trace's root. */
  readonly parentId: string | undefined;
  /** Whether whoever asked wants it to be recorded. */
  readonly isSampled: boolean;
}

/** Reads a header; what is none begins a trace. */
export function traceContextOf(traceparent: string | undefined): TraceContext {
  const [, version = "", traceId = "", parentId = "", flags = "", more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(traceparent ?? "") ?? [];
  const isValid =
    version !== "" &&
    version !== "ff" &&
    (version !== "00" || more === undefined) &&
    /[1-9a-f]/.test(traceId) &&
    /[1-9a-f]/.test(parentId);
  if (!isValid) return { traceId: randomBytes(16).toString("hex"), parentId: undefined, isSampled: true };
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
