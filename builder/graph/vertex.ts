// A vertex is an op with its inputs. Its digest covers both, and nothing that does not
// change the result: names, source ranges and cache switches are kept outside, by type.

import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { SourceLocation } from "../core/errors.ts";
import type { Op } from "./op.ts";

/** What is known about a vertex and does not change its result. */
export interface VertexOptions {
  /** As people see it: "[build 2/5] RUN make". */
  readonly name: string;
  /** Where it is written. */
  readonly location?: SourceLocation;
  /** `--no-cache`: run it even if its result is known. */
  readonly ignoreCache?: boolean;
  /** Variables an exec sees that must not change its key (predefined proxy args). */
  readonly hiddenEnv?: readonly string[];
}

export interface Vertex {
  readonly digest: Digest;
  readonly op: Op;
  readonly inputs: readonly Vertex[];
  readonly options: VertexOptions;
}

/** Makes a vertex; equal ops on equal inputs have equal digests. */
export function vertex(op: Op, inputs: readonly Vertex[], options: VertexOptions): Vertex {
  const digest = digestOf(canonicalJson({ op, inputs: inputs.map((input) => input.digest) }));
  return { digest, op, inputs, options };
}

/** JSON with sorted keys, no spaces and no undefined: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
    return `{${fields.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** All vertices that the given ones need, each once, inputs before users. */
export function topological(targets: readonly Vertex[]): Vertex[] {
  const order: Vertex[] = [];
  const seen = new Set<Digest>();
  // An explicit stack: a Dockerfile of 10,000 instructions is a chain as deep.
  const stack = targets.toReversed().map((target) => ({ node: target, next: 0 }));
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    if (top.next === 0 && seen.has(top.node.digest)) {
      stack.pop();
      continue;
    }
    seen.add(top.node.digest);
    const input = top.node.inputs[top.next];
    top.next += 1;
    if (input === undefined) {
      order.push(top.node);
      stack.pop();
    } else if (!seen.has(input.digest)) {
      stack.push({ node: input, next: 0 });
    }
  }
  return order;
}
