// A record of a build that never was.

import type { BuildRecord, StepRecord } from "../../builder/records/build-record.ts";
import { RECORD_FORMAT } from "../../builder/records/build-record.ts";

/** A build with a base image, a context, a RUN and a COPY. */
export function record(id: string, endedMs = 1): BuildRecord {
  const step = (number: number, name: string, more: Partial<StepRecord> = {}): StepRecord => ({
    vertex: `sha256:${String(number).repeat(64)}`,
    name,
    kind: "exec",
    inputs: [],
    ...more,
  });
  const steps = [
    step(0, "[build 1/2] FROM x", { kind: "source", layers: [] }),
    step(1, "[internal] load build context", { kind: "source" }),
    step(2, "[build 2/2] RUN make"),
    step(3, "[stage-1 1/1] COPY a b", { kind: "file" }),
  ];
  return {
    format: RECORD_FORMAT,
    id,
    what: "x",
    startedMs: endedMs,
    endedMs,
    status: "completed",
    version: "1",
    request: {
      context: ".",
      dockerfile: "Dockerfile",
      namedContexts: {},
      platforms: [],
      buildArgs: {},
      labels: {},
      noCache: false,
      pull: false,
      network: "default",
      allow: [],
      secrets: [],
      outputs: [],
    },
    steps,
    timeline: { steps: [], warnings: [] },
  };
}
