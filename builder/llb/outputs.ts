// What ops give each other: an op has outputs by number, and one without files is nothing at all.

import type { Vertex } from "../graph/vertex.ts";
import type { LlbInput } from "./definition.ts";
import { invalid } from "./order.ts";

/** An output: a vertex, or undefined for an empty directory. */
export type Output = Vertex | undefined;

/** The outputs of one op, by number. */
export type Outputs = ReadonlyMap<number, Output>;

/** The inputs of one vertex, each once. */
export class VertexInputs {
  readonly list: Vertex[] = [];

  /** The number of an output among the vertex's inputs; -1 for an empty directory. */
  add(output: Output): number {
    if (output === undefined) return -1;
    const known = this.list.findIndex(({ digest }) => digest === output.digest);
    return known < 0 ? this.list.push(output) - 1 : known;
  }
}

/** The inputs of an op: what is at the other end of each. */
export class OpInputs {
  readonly #outputs: readonly Output[];

  /** Throws `USAGE` for an output that there is not. */
  constructor(inputs: readonly LlbInput[], known: ReadonlyMap<string, Outputs>) {
    this.#outputs = inputs.map(({ digest, index }) => {
      const outputs = known.get(digest);
      if (outputs?.has(index) !== true) throw invalid(`${digest} has no output ${index}`);
      return outputs.get(index);
    });
  }

  get count(): number {
    return this.#outputs.length;
  }

  /** The input of a number; -1 is an empty directory. Throws `USAGE` for any other that is none. */
  at(number: number): Output {
    if (number === -1) return undefined;
    if (!Number.isInteger(number) || number < 0 || number >= this.#outputs.length)
      throw invalid(`an op names its input ${number}, and has ${this.#outputs.length}`);
    return this.#outputs[number];
  }
}
