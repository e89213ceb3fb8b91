// RUN: a rootfs on top of the input's layers, its mounts, a process in the sandbox, and
// the layer of what it changed.

import { totalmem } from "node:os";
import { bytePath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import { ownMemoryLimit } from "../executor/cgroup.ts";
import type { Executor, StepResult } from "../executor/executor.ts";
import { NewPrivilegesNeeded } from "../executor/executor.ts";
import type { ExecOp } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import type { StoredLayer } from "../snapshot/ref.ts";
import type { OpContext } from "./engine-parts.ts";
import { missingMountPoints } from "./mount-points.ts";
import type { OpResult } from "./result.ts";
import { RefResult } from "./result.ts";
import type { Prepared, SkippedPaths } from "../snapshot/snapshotter.ts";
import { SharedFileChanged } from "../snapshot/snapshotter.ts";
import type { PreparedStep, StepPlan } from "./step.ts";
import { prepareStep } from "./step.ts";

/** What a program left: the rootfs, and what is in mounts that are outputs, by their numbers. */
export interface ExecResults {
  readonly root: OpResult;
  readonly mounts: ReadonlyMap<number, OpResult>;
}

/** Runs the op; throws `RUN_FAILED` with the program's exit code, `SANDBOX` when it cannot be run at all. */
export async function runExec(
  context: OpContext,
  vertex: Vertex,
  op: ExecOp,
  inputs: readonly OpResult[],
  signal: AbortSignal,
): Promise<ExecResults> {
  const plan: StepPlan = {
    op,
    inputs,
    below: inputs[op.rootInput] ?? NOTHING,
    hiddenEnv: vertex.options.hiddenEnv ?? [],
    id: vertex.digest.slice("sha256:".length, "sha256:".length + 25),
  };
  const warn = (message: string): void => context.events({ kind: "warning", message });
  return await runAgain(warn, { ...plan, isRepeatable: true }, (it) => runOnce(context, vertex, it, signal));
}

/** Runs a step, and once more for each of the two things that show only while it runs. */
async function runAgain<T>(
  warn: (message: string) => void,
  plan: StepPlan,
  run: (plan: StepPlan) => Promise<T>,
): Promise<T> {
  try {
    return await run(plan);
  } catch (error) {
    if (error instanceof NewPrivilegesNeeded && plan.isRepeatable === true) {
      warn(`${error.message}: the step is run again where it may`);
      return await runAgain(warn, { ...plan, isRepeatable: false }, run);
    }
    if (!(error instanceof SharedFileChanged) || plan.apart !== undefined) throw error;
    warn(`${error.message}: the step is run again with a file for each`);
    return await runAgain(warn, { ...plan, apart: error.names }, run);
  }
}

async function runOnce(context: OpContext, vertex: Vertex, plan: StepPlan, signal: AbortSignal): Promise<ExecResults> {
  const executor = await context.executor();
  const { op, inputs, below } = plan;
  await using step = await prepareStep(context, plan, signal);
  const take = async (prepared: Prepared, skipped: SkippedPaths): Promise<StoredLayer> =>
    context.layers.fromFrozen(await prepared.freeze(skipped, signal), context.now(), signal);
  const takeRoot = (): Promise<StoredLayer> =>
    take(step.root, { ignore: mountPointsMade(step), leaveOut: (op.leaveOut ?? []).map(bytePath) });
  try {
    const result = await executor.run(
      {
        ...step.spec,
        output: (stream, data) =>
          context.events({ kind: "log", vertex: vertex.digest, stream, data, time: context.now() }),
      },
      signal,
    );
    if (!(op.validExitCodes ?? [0]).includes(result.exitCode)) throw runFailed(op, result, executor);
  } catch (error) {
    if (error instanceof BuildError && error.code === "RUN_FAILED") {
      await context.failedRuns?.take({ vertex, plan }, async () => {
        const layer = await takeRoot();
        await layer.index(signal); // once it is there, all of the layer is stored
        return await withLayer(below, layer, signal);
      });
    }
    throw error;
  }
  const mounts = new Map<number, OpResult>();
  for (const [number, prepared] of step.mounts.outputs) {
    const mount = op.mounts[number];
    const under = (mount?.type === "bind" ? inputs[mount.input] : undefined) ?? NOTHING;
    mounts.set(number, await withLayer(under, await take(prepared, { ignore: [] }), signal));
  }
  return { root: await withLayer(below, await takeRoot(), signal), mounts };
}

const NOTHING = new RefResult({ layers: [] });

/** What was made in the rootfs for the mounts, and is no change of the step's. */
function mountPointsMade({ tree, mounts }: PreparedStep): ReturnType<typeof missingMountPoints> {
  return missingMountPoints(
    tree,
    mounts.specs.map(({ target }) => target),
  );
}

async function withLayer(below: OpResult, layer: StoredLayer, signal: AbortSignal): Promise<RefResult> {
  const { layers } = await below.ref(signal);
  return new RefResult({ layers: [...layers, layer] }, below);
}

function runFailed(op: ExecOp, result: StepResult, { driver, notes }: Executor): BuildError {
  const command = op.args.join(" ");
  const how =
    result.signal === undefined
      ? `exit code: ${result.exitCode}`
      : `killed by ${result.signal} (exit code: ${result.exitCode})`;
  const lacks =
    notes.length === 0 ? undefined : `it was run by ${driver}: ${notes[0]}; tsbuild doctor says what gives more`;
  const hint = result.exitCode === KILLED ? whyKilled(result.outOfMemory === true) : lacks;
  return new BuildError("RUN_FAILED", `process "${command}" did not complete successfully: ${how}`, {
    exitCode: result.exitCode,
    hint,
  });
}

/** 128 and the number of SIGKILL: of a step, or of what a shell in it waited for. */
const KILLED = 137;

function whyKilled(isKnown: boolean): string {
  const limit = ownMemoryLimit();
  const has = limit === undefined ? "" : ` (this container may have ${Math.round(limit / 2 ** 20)} MiB)`;
  if (isKnown) return `the kernel ended it for want of memory${has}`;
  const machine =
    limit === undefined
      ? `; no limit of this container can be seen, the machine has ${Math.round(totalmem() / 2 ** 20)} MiB`
      : "";
  return `something else ended it, as a rule the kernel for want of memory${has}${machine}: give the container more (resources.limits.memory), or let the step do less at once`;
}
