// A build as spans: one for the build, one below it for each of its steps.

import { createHash, randomBytes } from "node:crypto";
import type { Digest } from "../../../builder/core/digest.ts";
import type { VertexEvent } from "../../../builder/core/events.ts";
import type { Attributes, Span } from "./otlp.ts";
import type { TraceContext } from "./trace-context.ts";

/** Of one build: later steps are counted, not told. */
const MOST_STEPS = 20_000;

/** The spans of one build, as it goes on. */
export class BuildTrace {
  readonly context: TraceContext;
  readonly #buildId = randomBytes(8).toString("hex");
  readonly #steps = new Map<Digest, VertexEvent>();

  constructor(context: TraceContext) {
    this.context = context;
  }

  /** Takes what happened to a step. */
  step(event: VertexEvent): void {
    if (event.completed === undefined) return;
    if (this.#steps.size < MOST_STEPS || this.#steps.has(event.vertex)) this.#steps.set(event.vertex, event);
  }

  /** All of them, once the build has ended. `error` is what it failed with. */
  spans(
    times: { readonly startMs: number; readonly endMs: number },
    attributes: Attributes,
    error: string | undefined,
  ): readonly Span[] {
    const { traceId, parentId } = this.context;
    const build: Span = {
      traceId,
      spanId: this.#buildId,
      parentId,
      kind: "server",
      name: "build",
      ...times,
      attributes,
      error,
    };
    return [build, ...[...this.#steps.values()].map((event) => this.#stepSpan(event))];
  }

  #stepSpan({ vertex, name, inputs, started, completed = 0, cached, error }: VertexEvent): Span {
    return {
      traceId: this.context.traceId,
      spanId: createHash("sha256").update(this.#buildId).update(vertex).digest("hex").slice(0, 16),
      parentId: this.#buildId,
      kind: "internal",
      name,
      startMs: started ?? completed,
      endMs: completed,
      attributes: { vertex, inputs, cached: cached ?? false },
      error,
    };
  }
}
