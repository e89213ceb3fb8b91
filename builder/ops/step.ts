// What a RUN needs before it runs, and a shell in its place needs too: a rootfs, its
// user, its mounts, its environment.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { hostPlatform } from "../core/image/platform.ts";
import type { StepSpec } from "../executor/executor.ts";
import type { ExecOp } from "../graph/op.ts";
import type { ReadableTree } from "../layer/tree/stack-tree.ts";
import type { Prepared } from "../snapshot/snapshotter.ts";
import { accountsOf } from "./accounts.ts";
import type { OpContext } from "./engine-parts.ts";
import type { PreparedMounts } from "./mounts.ts";
import { prepareMounts } from "./mounts.ts";
import { homeVariable, resolveUser } from "./passwd.ts";
import type { OpResult } from "./result.ts";

/** What a step is called where nobody names it; BuildKit's, since programs write it into files. */
const HOST_NAME = "buildkitsandbox";

/** The parts of the engine that a step is made with. */
export type StepContext = Pick<OpContext, "layers" | "snapshotter" | "cacheMounts" | "session">;

export interface StepPlan {
  readonly op: ExecOp;
  /** The op's inputs; a bind mount of one that is missing is an empty folder. */
  readonly inputs: readonly (OpResult | undefined)[];
  /** The rootfs that the step stands on. */
  readonly below: OpResult;
  /** Variables that are no part of the op: values of proxies. */
  readonly hiddenEnv: readonly string[];
  /** Names the step in errors and in the cgroup. */
  readonly id: string;
  /** Names of files in the rootfs that share none, see `Snapshotter.prepare`. */
  readonly apart?: readonly BytePath[];
  /** See `StepSpec`. */
  readonly isRepeatable?: boolean;
}

/** A step that could run now; disposing it takes everything away that was made for it. */
export interface PreparedStep extends AsyncDisposable {
  readonly root: Prepared;
  /** The rootfs before the step, to look into. */
  readonly tree: ReadableTree;
  readonly mounts: PreparedMounts;
  /** All but where its output goes. */
  readonly spec: Omit<StepSpec, "output">;
}

/** Prepares a step. Throws what unpacking, a secret that is missing or an unknown user throw. */
export async function prepareStep(
  context: StepContext,
  { op, inputs, below, hiddenEnv, id, apart, isRepeatable = false }: StepPlan,
  signal: AbortSignal,
): Promise<PreparedStep> {
  const snapshotter = await context.snapshotter();
  await using undo = new AsyncDisposableStack();
  const scratch = undo.use(context.layers.scratch());
  const { layers } = await below.ref(signal);
  const root = undo.use(await snapshotter.prepare(layers, true, signal, apart));
  const tree = await accountsOf(root.root, below, context.layers.place, signal);
  const user = await resolveUser(tree, op.user, signal);
  const mounts = undo.use(await prepareMounts(context, op, inputs, scratch.path, signal));
  const env = [...op.env, ...hiddenEnv, ...mounts.env];
  if (op.platform.architecture !== hostPlatform().architecture) {
    const { requireEmulation } = await import("./foreign-program.ts");
    await requireEmulation(tree, { ...op, env }, scratch.path, signal);
  }
  const held = undo.move();
  return {
    root,
    tree,
    mounts,
    spec: {
      id,
      root: op.isRootReadonly === true ? { ...root.root, readonly: true } : root.root,
      mounts: mounts.specs,
      process: {
        args: op.args,
        env: [...env, ...(await homeVariable(tree, user.uid, env, signal))],
        cwd: op.cwd,
        uid: user.uid,
        gid: user.gid,
        additionalGids: user.additionalGids,
        security: op.security,
        ulimits: op.ulimits,
      },
      network: op.network,
      hostname: op.hostname || HOST_NAME,
      needsHostname: op.hostname !== "",
      isRepeatable,
      extraHosts: op.extraHosts,
      shmSizeBytes: op.shmSizeBytes,
      ...(op.cgroupParent === "" ? {} : { cgroupParent: op.cgroupParent }),
      scratch: scratch.path,
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
