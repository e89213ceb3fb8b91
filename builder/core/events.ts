// The one event stream. The engine emits these; terminal, plain log, rawjson, the
// gRPC status stream and the build record are renderings of it. Times are ms since the epoch.

import type { Digest } from "./digest.ts";
import type { SourceLocation } from "./errors.ts";

/** One step as people see it: "[2/5] RUN make". */
export interface VertexEvent {
  readonly kind: "vertex";
  readonly vertex: Digest;
  readonly name: string;
  readonly inputs: readonly Digest[];
  readonly started?: number;
  readonly completed?: number;
  readonly cached?: boolean;
  /** The cache elsewhere that a cached result came from; absent: this store had it. */
  readonly cachedFrom?: string;
  readonly error?: string;
}

/** Progress of a part of a vertex: a pull, a hash, a push. */
export interface StatusEvent {
  readonly kind: "status";
  readonly vertex: Digest;
  /** "sha256:…", "transferring context"; unique in its vertex. */
  readonly id: string;
  readonly name: string;
  /** Bytes (or pieces) done; with `total` 0 nothing is known of the end. */
  readonly current: number;
  readonly total: number;
  readonly started?: number;
  readonly completed?: number;
}

/** Output of a RUN; whole chunks as they come, cut anywhere. */
export interface LogEvent {
  readonly kind: "log";
  readonly vertex: Digest;
  readonly stream: 1 | 2;
  readonly data: Uint8Array;
  readonly time: number;
}

/** A lint rule that fired, or something else worth knowing. */
export interface WarningEvent {
  readonly kind: "warning";
  readonly vertex?: Digest;
  /** The rule's name: "FromAsCasing"; absent for other warnings. */
  readonly rule?: string;
  readonly message: string;
  readonly detail?: string;
  readonly url?: string;
  readonly location?: SourceLocation;
  /** Of something that was mended in the same breath: whoever begins anew does not find it again. */
  readonly isMended?: boolean;
}

export type BuildEvent = VertexEvent | StatusEvent | LogEvent | WarningEvent;

/** Takes events in order; must not throw and must not wait. */
export type EventSink = (event: BuildEvent) => void;

/** Tells of a part of a step while it is done ("exporting layers"); `sizeBytes` is asked at its end. */
export type TellPart = <T>(name: string, work: () => Promise<T>, sizeBytes?: (result: T) => number) => Promise<T>;
