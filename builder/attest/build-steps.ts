// The graph of a build as numbered steps, as provenance has it: inputs before users, and a
// last step without an op that stands for the result.

import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { SourceLocation } from "../core/errors.ts";
import type { Vertex } from "../graph/vertex.ts";
import { canonicalJson } from "../graph/vertex.ts";

export interface BuildStep {
  /** "step0". */
  readonly id: string;
  readonly digest: Digest;
  /** Undefined for the last one. */
  readonly vertex: Vertex | undefined;
  /** "step0:0". */
  readonly inputs: readonly string[];
  /** Every place in the Dockerfile that asks for it: equal steps are one. */
  readonly locations: readonly SourceLocation[];
}

/** The steps of a result, depth first (BuildKit, llbsolver/provenance/buildconfig.go). */
export function buildSteps(result: Vertex): readonly BuildStep[] {
  const order = inputsFirst(result);
  const numbers = new Map([...order.keys()].map((digest, number) => [digest, number]));
  const idOf = (vertex: Vertex): string => `step${numbers.get(vertex.digest)}`;
  const steps = [...order.values()].map(({ vertex, locations }): BuildStep => ({
    id: idOf(vertex),
    digest: vertex.digest,
    vertex,
    inputs: vertex.inputs.map((input) => `${idOf(input)}:0`),
    locations,
  }));
  const last = { inputs: [`${idOf(result)}:0`], vertex: undefined, locations: [] };
  return [
    ...steps,
    { ...last, id: `step${steps.length}`, digest: digestOf(canonicalJson({ inputs: [result.digest] })) },
  ];
}

interface Visited {
  readonly vertex: Vertex;
  readonly locations: SourceLocation[];
}

/** By digest, in order. Equal vertices are visited each, for their places. */
function inputsFirst(result: Vertex): ReadonlyMap<Digest, Visited> {
  const found = new Map<Digest, Visited>();
  const seen = new Set<Vertex>();
  // An explicit stack: a Dockerfile of 10,000 instructions is a chain as deep.
  const stack = [{ node: result, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const input = top.node.inputs[top.next];
    top.next += 1;
    if (input === undefined) {
      note(found, top.node);
      stack.pop();
    } else if (!seen.has(input)) {
      seen.add(input);
      stack.push({ node: input, next: 0 });
    }
  }
  return found;
}

function note(found: Map<Digest, Visited>, vertex: Vertex): void {
  const known = found.get(vertex.digest) ?? { vertex, locations: [] };
  found.set(vertex.digest, known);
  const { location } = vertex.options;
  if (location === undefined) return;
  const { startLine, endLine } = location.range;
  const isKnown = known.locations.some(({ range }) => range.startLine === startLine && range.endLine === endLine);
  if (!isKnown) known.locations.push(location);
}
