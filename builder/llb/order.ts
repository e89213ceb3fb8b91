// The ops of a definition that its result needs, inputs first, each checked for what can be said of it alone. Definitions
// come from anybody: a chain may be thousands of ops deep, an input may be nowhere.

import type { Digest } from "../core/digest.ts";
import { isDigest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import type { LlbDefinition, LlbInput, LlbMetadata, LlbOp } from "./definition.ts";

/** More than any client makes; a definition costs memory for each. */
export const MOST_OPS = 100_000;

/** An op with what it is called by. */
export interface NamedOp {
  readonly digest: Digest;
  readonly op: LlbOp;
  readonly metadata: LlbMetadata | undefined;
}

/** What a definition stands for. */
export interface OrderedDefinition {
  readonly ops: readonly NamedOp[];
  readonly result: LlbInput;
}

/** Throws `USAGE` for what is no graph, `UNSUPPORTED` for ops and abilities that are not offered. */
export function orderDefinition({ ops, metadata }: LlbDefinition, abilities: ReadonlySet<string>): OrderedDefinition {
  if (ops.size > MOST_OPS) throw invalid(`it has ${ops.size} ops, and may have ${MOST_OPS}`);
  const closing = [...ops.values()].at(-1);
  if (closing === undefined || ops.size < 2) throw invalid(`it has ${ops.size} ops: at least two are needed`);
  const [result] = closing.inputs;
  if (result === undefined) throw invalid("its last op has no input");
  const order: NamedOp[] = [];
  const state = new Map<Digest, "open" | "done">();
  const stack = [{ digest: named(result, ops), next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { digest } = top;
    const op = ops.get(digest);
    if (op === undefined) throw invalid(`the op ${digest} is not in it`);
    const input = op.inputs[top.next];
    top.next += 1;
    state.set(digest, "open");
    if (input === undefined) {
      const described = metadata.get(digest);
      checkOp(op, described, abilities);
      order.push({ digest, op, metadata: described });
      state.set(digest, "done");
      stack.pop();
      continue;
    }
    const below = named(input, ops);
    if (state.get(below) === "open") throw invalid(`the op ${below} is its own input`);
    if (state.get(below) === undefined) stack.push({ digest: below, next: 0 });
  }
  return { ops: order, result };
}

function named({ digest, index }: LlbInput, ops: LlbDefinition["ops"]): Digest {
  if (!isDigest(digest) || !ops.has(digest)) throw invalid(`an input, "${digest.slice(0, 100)}", is not in it`);
  if (!Number.isSafeInteger(index) || index < 0) throw invalid(`an input is output ${index} of ${digest}`);
  return digest;
}

function checkOp(op: LlbOp, metadata: LlbMetadata | undefined, abilities: ReadonlySet<string>): void {
  const bodies = [op.exec, op.source, op.file, op.merge, op.diff, op.build, op.passthrough];
  const count = bodies.filter((body) => body !== undefined).length;
  if (op.build !== undefined) throw unsupported("builds within a graph (BuildOp)");
  if (op.passthrough !== undefined) throw unsupported("ops that pass their inputs through (PassthroughOp)");
  if (count === 0) throw unsupported("an op of a kind that is not known");
  if (count > 1) throw invalid("an op is of several kinds at once");
  if ((op.constraints?.filter.length ?? 0) > 0) throw unsupported("a choice of workers (constraints)");
  if (metadata?.resources !== undefined) throw unsupported("limits of a step's memory and processors");
  for (const [name, isNeeded] of metadata?.caps ?? [])
    if (isNeeded && !abilities.has(name)) throw unsupported(`an op that needs "${name.slice(0, 100)}"`);
}

/** What is wrong with a definition. */
export function invalid(what: string): BuildError {
  return new BuildError("USAGE", `invalid LLB definition: ${what}`);
}

/** What a definition asks for and nobody offers here. */
export function unsupported(what: string): BuildError {
  return new BuildError("UNSUPPORTED", `LLB definitions with ${what} are not supported`);
}
