// A program that sees all files of a store: root's own, or an ordinary user's with his subordinate ids, in whose names the
// files of steps are.

import { spawnSync } from "node:child_process";
import process from "node:process";
import { mayNeedNamespace } from "../../builder/namespace.ts";
import { namespaceCommand, planUserNamespace } from "../../builder/executor/user-namespace.ts";

/** Runs it to its end; what it printed. */
export async function runAsOwner(...program: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const plan = mayNeedNamespace() ? await planUserNamespace(process.env) : undefined;
  const isAlready = plan === undefined || plan.kind === "direct";
  const [file = "", ...args] = isAlready ? program : namespaceCommand(plan, program);
  return spawnSync(file, args, { encoding: "utf8" });
}
