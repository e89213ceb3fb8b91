// RUN: a rootfs on top of the input's layers, its mounts, a process in the sandbox, and
// the layer of what it changed.

import { BuildError } from "../core/errors.ts";
import type { StepResult } from "../executor/executor.ts";
import type { ExecOp } from "../graph/op.ts";
import type { Vertex } from "../graph/vertex.ts";
import { StackTree } from "../layer/stack-tree.ts";
import type { OpContext } from "./engine-parts.ts";
import { missingMountPoints } from "./mount-points.ts";
import { prepareMounts } from "./mounts.ts";
import { homeVariable, resolveUser } from "./passwd.ts";
import type { OpResult } from "./result.ts";
import { RefResult, viewOf } from "./result.ts";

/** What a step is called where nobody names it; BuildKit's, since programs write it into files. */
const HOST_NAME = "buildkitsandbox";

/** Runs the op; throws `RUN_FAILED` with the program's exit code, `SANDBOX` when it cannot be run at all. */
export async function runExec(
  context: OpContext,
  vertex: Vertex,
  op: ExecOp,
  inputs: readonly OpResult[],
  signal: AbortSignal,
): Promise<OpResult> {
  const executor = await context.executor();
  const rootInput = inputs[op.rootInput];
  const below = rootInput === undefined ? { layers: [] } : await rootInput.ref(signal);
  const snapshotter = await context.snapshotter();
  await using scratch = context.layers.scratch();
  await using root = await snapshotter.prepare(below.layers, true, signal);
  const accounts =
    root.root.kind === "overlay"
      ? new StackTree(root.root.stack.lowers, context.layers.place.overlayXattrs)
      : ((await rootInput?.tree(signal)) ?? (await viewOf(below, signal)));
  const user = await resolveUser(accounts, op.user, signal);
  await using mounts = await prepareMounts(context, op, inputs, scratch.path, signal);
  const env = [...op.env, ...(vertex.options.hiddenEnv ?? []), ...mounts.env];
  const result = await executor.run(
    {
      id: vertex.digest.slice("sha256:".length, "sha256:".length + 25),
      root: root.root,
      mounts: mounts.specs,
      process: {
        args: op.args,
        env: [...env, ...(await homeVariable(accounts, user.uid, env, signal))],
        cwd: op.cwd,
        uid: user.uid,
        gid: user.gid,
        additionalGids: user.additionalGids,
        security: op.security,
        ulimits: op.ulimits,
      },
      network: op.network,
      hostname: op.hostname || HOST_NAME,
      extraHosts: op.extraHosts,
      shmSizeBytes: op.shmSizeBytes,
      ...(op.cgroupParent === "" ? {} : { cgroupParent: op.cgroupParent }),
      scratch: scratch.path,
      output: (stream, data) =>
        context.events({ kind: "log", vertex: vertex.digest, stream, data, time: context.now() }),
    },
    signal,
  );
  if (result.exitCode !== 0) throw runFailed(op, result);
  const made = missingMountPoints(
    accounts,
    mounts.specs.map(({ target }) => target),
  );
  const frozen = await root.freeze(made, signal);
  const layer = context.layers.fromFrozen(frozen, context.now(), signal);
  return new RefResult({ layers: [...below.layers, layer] }, rootInput);
}

function runFailed(op: ExecOp, result: StepResult): BuildError {
  const command = op.args.join(" ");
  const how =
    result.signal === undefined
      ? `exit code: ${result.exitCode}`
      : `killed by ${result.signal} (exit code: ${result.exitCode})`;
  const hint = result.outOfMemory === true ? "the kernel ended it for want of memory" : undefined;
  return new BuildError("RUN_FAILED", `process "${command}" did not complete successfully: ${how}`, {
    exitCode: result.exitCode,
    hint,
  });
}
