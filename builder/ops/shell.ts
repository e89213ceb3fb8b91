// A shell in the place of a RUN: its rootfs, its environment, its user, its mounts. What
// it writes is thrown away, but for what lies in cache mounts.

import { bytePath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { Executor, StepResult } from "../executor/executor.ts";
import { resolvePath } from "../layer/tree/resolve-path.ts";
import type { ReadableTree } from "../layer/tree/stack-tree.ts";
import type { StepContext, StepPlan } from "./step.ts";
import { prepareStep } from "./step.ts";

export interface ShellOptions {
  readonly executor: Executor;
  /** The kind of terminal (TERM), where the step's environment does not say. */
  readonly terminal: string;
  /** Told when the shell is about to have the terminal. */
  readonly ready: () => Promise<void>;
}

/** Opens a shell on this process's own terminal until it ends. Throws `UNSUPPORTED` where the rootfs has none. */
export async function runShell(
  context: StepContext,
  plan: StepPlan,
  { executor, terminal, ready }: ShellOptions,
  signal: AbortSignal,
): Promise<StepResult> {
  await using step = await prepareStep(context, plan, signal);
  const { process } = step.spec;
  const args = [findShell(step.tree, plan.op.args[0])];
  const env = process.env.some((variable) => variable.startsWith("TERM="))
    ? process.env
    : [...process.env, `TERM=${terminal}`];
  await ready();
  return await executor.run(
    { ...step.spec, process: { ...process, args, env }, input: "stdin", output: "terminal" },
    signal,
  );
}

const SHELLS = ["/bin/bash", "/usr/bin/bash", "/bin/sh", "/usr/bin/sh", "/bin/ash", "/busybox/sh"];

/** The step's own shell, if that is what it ran, else the best that is there. */
function findShell(tree: ReadableTree, program: string | undefined): string {
  const own = program !== undefined && /^\/(?:.*\/)?(?:ba|da|a|k|mk|z)?sh$/.test(program) ? [program] : [];
  const found = [...own.filter((path) => !path.endsWith("/sh")), ...SHELLS, ...own].find((path) => {
    const { entry } = resolvePath(tree, bytePath(path), { followLast: true });
    return entry?.type === "file" && (entry.mode & 0o111) !== 0;
  });
  if (found !== undefined) return found;
  throw new BuildError("UNSUPPORTED", `there is no shell in the rootfs of this step (looked for ${SHELLS.join(", ")})`);
}
