// The fallback drivers are probed by running the smallest step: a root of one directory with the
// machine's own static shell, or, where there is none, a program that is missing, which tells as much.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asBuildError } from "../../core/errors.ts";
import type { DriverName, DriverProbe, Executor, StepSpec } from "../executor.ts";
import { trialStep } from "../trial-step.ts";
import { missingTools } from "./prelude.ts";

/** Runs a trial step; what goes wrong is the note. */
export async function probeByRunning(
  driver: DriverName,
  open: (notes: readonly string[]) => Executor,
  tools: readonly string[],
  install: string,
  lacks: readonly string[] = [],
): Promise<DriverProbe> {
  const missing = missingTools(...tools);
  if (missing.length > 0)
    return { driver, usable: false, notes: [`${missing.join(", ")} not found; as root: ${install}`] };
  const base = mkdtempSync(join(tmpdir(), "tsbuild-probe-"));
  try {
    return { driver, ...(await trial(open([]), base, lacks)) };
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

async function trial(
  executor: Executor,
  base: string,
  lacks: readonly string[],
): Promise<Pick<DriverProbe, "usable" | "notes">> {
  for (const name of ["lower", "second", "scratch"]) mkdirSync(join(base, name));
  const shell = existsSync("/bin/busybox");
  if (shell) copyFileSync("/bin/busybox", join(base, "lower/busybox"));
  let said = "";
  const root = {
    kind: "overlay",
    stack: { lowers: [join(base, "lower"), join(base, "second")] },
    readonly: true,
  } as const;
  const step: StepSpec = {
    ...trialStep(`probe-${process.pid}`, root, join(base, "scratch"), shell ? ["/busybox", "true"] : ["/missing"]),
    output: (_, chunk) => (said += Buffer.from(chunk).toString("utf8")),
  };
  try {
    const result = await executor.run(step, new AbortController().signal);
    if (result.exitCode === 0 || (!shell && result.exitCode === 127)) return { usable: true, notes: lacks };
    return { usable: false, notes: [said.trim().split("\n").at(-1) ?? `a trial step ended with ${result.exitCode}`] };
  } catch (error) {
    const known = asBuildError(error);
    if (known.code === "RUN_FAILED" && !shell) return { usable: true, notes: lacks };
    return { usable: false, notes: [known.message] };
  }
}
