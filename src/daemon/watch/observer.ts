// What is told of builds to whoever runs the daemon: a line when one begins and ends, numbers, spans.

import type { BuildEvent } from "../../../builder/core/events.ts";
import type { Status } from "../../api/grpc/status.ts";
import { CODE } from "../../api/grpc/status.ts";
import type { Log } from "../log.ts";
import { BuildTrace } from "./build-trace.ts";
import type { DaemonMetrics, Ending } from "./daemon-metrics.ts";
import type { OtlpExporter, Span } from "./otlp.ts";
import { traceContextOf } from "./trace-context.ts";

/** What a build came to. */
export interface ObservedEnd {
  readonly digest?: string | undefined;
  readonly error?: Status | undefined;
}

/** One build, as it goes on. */
export interface ObservedBuild {
  event(event: BuildEvent): void;
  /** Only the first end counts. */
  ended(end: ObservedEnd): void;
  /** What it took time for, once it has ended. */
  readonly spans: readonly Span[];
}

export interface ObserverParts {
  readonly log: Log;
  readonly metrics: Pick<DaemonMetrics, "buildEnded" | "step">;
  /** Undefined where no collector is configured. */
  readonly traces: Pick<OtlpExporter, "add"> | undefined;
}

export class Observer {
  readonly #parts: ObserverParts;

  constructor(parts: ObserverParts) {
    this.#parts = parts;
  }

  /** A build begins; `traceparent` is what its client says of its own trace. */
  begin(ref: string, traceparent: string | undefined): ObservedBuild {
    const { log, metrics, traces } = this.#parts;
    const startMs = Date.now();
    const trace = new BuildTrace(traceContextOf(traceparent));
    const facts = { ref, ...(traces === undefined ? {} : { trace: trace.context.traceId }) };
    const steps = { done: 0, cached: 0, failed: 0 };
    let isOver = false;
    let spans: readonly Span[] = [];
    log("info", "build", facts);
    return {
      event: (event) => {
        if (event.kind !== "vertex" || isOver) return;
        metrics.step(event);
        trace.step(event);
        if (event.completed !== undefined)
          steps[event.error !== undefined ? "failed" : event.cached === true ? "cached" : "done"] += 1;
      },
      ended: ({ digest, error }) => {
        if (isOver) return;
        isOver = true;
        const endMs = Date.now();
        const ms = endMs - startMs;
        const ending = endingOf(error);
        metrics.buildEnded(ending, ms);
        const told = { ...facts, ms, steps };
        if (error === undefined) log("info", "built", { ...told, digest });
        else log("info", "build failed", { ...told, code: error.code, error: error.message });
        const attributes = {
          "tsbuild.ref": ref,
          "tsbuild.result": ending,
          ...(digest === undefined ? {} : { "tsbuild.digest": digest }),
        };
        spans = trace.spans({ startMs, endMs }, attributes, error?.message);
        if (trace.context.isSampled) traces?.add(spans);
      },
      get spans() {
        return spans;
      },
    };
  }
}

function endingOf(error: Status | undefined): Ending {
  if (error === undefined) return "succeeded";
  return error.code === CODE.cancelled ? "cancelled" : "failed";
}
