// A solver over steps that are only names. The result of a step is its name with those of its inputs:
// "top(left,right)".

import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { VertexEvent } from "../../builder/core/events.ts";
import type { SourceOp } from "../../builder/graph/op.ts";
import type { Vertex, VertexOptions } from "../../builder/graph/vertex.ts";
import { vertex } from "../../builder/graph/vertex.ts";
import type { Operator } from "../../builder/solver/operator.ts";
import { Solver } from "../../builder/solver/solver.ts";

/** A step; from input number `readsFrom` on it only reads, and is not built upon them. */
export function step(
  name: string,
  inputs: readonly Vertex[] = [],
  options: Partial<VertexOptions> = {},
  readsFrom = inputs.length,
): Vertex {
  // Any op will do that can carry a name and a number.
  const op: SourceOp = { kind: "source", source: { type: "local", name, excludes: [String(readsFrom)] } };
  return vertex(op, inputs, { name, ...options });
}

export interface BenchOptions {
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  readonly work?: (name: string, signal: AbortSignal) => Promise<void>;
  /** Keeps a build waiting before it makes something. */
  readonly claim?: (key: Digest, signal: AbortSignal) => Promise<void>;
  /** Results are names alone: those of a long chain would be long. */
  readonly plain?: boolean;
  /** A step without a record of its own. */
  readonly transient?: string;
}

/** Solves once and notes what happened. */
export class Bench {
  readonly ran: string[] = [];
  readonly events: VertexEvent[] = [];
  readonly cache = new Map<Digest, string>();
  running = 0;
  most = 0;
  /** Keys whose claims were given back. */
  readonly released: Digest[] = [];
  settledAsked = 0;
  readonly #options: BenchOptions;

  constructor(options: BenchOptions = {}) {
    this.#options = options;
  }

  /** Another build with what this one's cache holds. */
  next(): Bench {
    const next = new Bench(this.#options);
    for (const [key, result] of this.cache) next.cache.set(key, result);
    return next;
  }

  async solve(targets: readonly Vertex[]): Promise<string[]> {
    return await this.#solver().solve(targets);
  }

  async isKnown(targets: readonly Vertex[]): Promise<boolean> {
    return await this.#solver().isKnown(targets);
  }

  #solver(): Solver<string> {
    return new Solver<string>({
      operator: this.#operator(),
      cache: {
        lookup: (key) => Promise.resolve(this.cache.get(key)),
        claim: async (key, signal) => {
          await this.#options.claim?.(key, signal);
          return { release: () => void this.released.push(key) };
        },
        record: (key, _, result, claim) => {
          this.cache.set(key, result);
          claim?.release();
        },
        settled: () => {
          this.settledAsked += 1;
          return Promise.resolve();
        },
      },
      events: (event) => {
        if (event.kind === "vertex") this.events.push(event);
      },
      now: () => 0,
      jobs: this.#options.jobs ?? 2,
      signal: this.#options.signal ?? new AbortController().signal,
    });
  }

  #operator(): Operator<string> {
    const isUpon = (node: Vertex, number: number): boolean => number < readsFrom(node);
    return {
      key: async (node, inputs) => {
        const parts = await Promise.all(
          inputs.map(async (input, number) => (isUpon(node, number) ? await input.key() : await input.result())),
        );
        return digestOf([nameOf(node), ...parts].join("\n"));
      },
      builtUpon: (node) => node.inputs.map((_, number) => number).filter((number) => isUpon(node, number)),
      readsFrom: (node) => node.inputs.map((_, number) => number).filter((number) => !isUpon(node, number)),
      isTransient: (node) => nameOf(node) === this.#options.transient,
      takesSlot: () => true,
      run: async (node, inputs, signal) => {
        const name = nameOf(node);
        this.ran.push(name);
        this.running += 1;
        this.most = Math.max(this.most, this.running);
        try {
          await this.#options.work?.(name, signal);
        } finally {
          this.running -= 1;
        }
        return inputs.length === 0 || this.#options.plain === true ? name : `${name}(${inputs.join(",")})`;
      },
    };
  }
}

function nameOf({ op }: Vertex): string {
  return op.kind === "source" && op.source.type === "local" ? op.source.name : "";
}

function readsFrom({ op }: Vertex): number {
  return op.kind === "source" && op.source.type === "local" ? Number(op.source.excludes[0]) : 0;
}
