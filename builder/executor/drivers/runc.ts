// Third choice: runc, the slowest to start. It insists on cgroups where it may write them.

import type { DriverProbe, Executor } from "../executor.ts";
import { RUNTIME_NOTES, runtimeExecutor } from "./oci-runtime.ts";
import { findTool } from "./prelude.ts";
import { probeByRunning } from "./probe-step.ts";

/** Whether runc runs a step here. Never throws. */
export async function probeRunc(): Promise<DriverProbe> {
  return await probeByRunning("runc", runcExecutor, ["runc"], "apt-get install runc", RUNTIME_NOTES);
}

/** The executor over runc. */
export function runcExecutor(notes: readonly string[] = []): Executor {
  return runtimeExecutor({ driver: "runc", program: findTool("runc") ?? "runc", notes, extraMounts: [], options: [] });
}
