// A program that leaves several results runs once for all of them: each is a vertex of its own, and whoever is there first
// runs it.

import { BuildError } from "../core/errors.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf } from "../core/digest.ts";
import type { ExecOp } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import { canonicalJson } from "../graph/vertex.ts";
import type { ExecResults } from "./exec.ts";
import type { OpResult } from "./result.ts";

/** The programs of one build that leave several results. */
export class SharedRuns {
  readonly #runs = new Map<Digest, Promise<ExecResults>>();

  /** The result that the vertex stands for; `run` runs its program. A run that fails fails for all. */
  async resultOf({ op, inputs }: Vertex & { readonly op: ExecOp }, run: () => Promise<ExecResults>): Promise<OpResult> {
    if (!op.mounts.some((mount) => mount.type === "bind" && mount.isOutput === true)) return (await run()).root;
    const { result, ...program } = op;
    const id = digestOf(canonicalJson([program, inputs.map(({ digest }) => digest)]));
    let running = this.#runs.get(id);
    if (running === undefined) this.#runs.set(id, (running = run()));
    const { root, mounts } = await running;
    const found = result === undefined ? root : mounts.get(result);
    if (found === undefined)
      throw new BuildError("INTERNAL", `a step names mount ${result} as its result, which is none`);
    return found;
  }
}
