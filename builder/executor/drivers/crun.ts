// Second choice: crun, three to six times slower to start than our launcher, the same isolation.

import { existsSync } from "node:fs";
import type { DriverProbe, Executor } from "../executor.ts";
import { readHostFacts } from "../host-facts.ts";
import { RUNTIME_NOTES, runtimeExecutor } from "./oci-runtime.ts";
import type { PreludeStep } from "./prelude.ts";
import { findTool } from "./prelude.ts";
import { probeByRunning } from "./probe-step.ts";

const CRUN_NOTES = [...RUNTIME_NOTES, "a terminal keeps the size that it had at first"];

/** Whether crun runs a step here. Never throws. */
export async function probeCrun(): Promise<DriverProbe> {
  return await probeByRunning("crun", crunExecutor, ["crun"], "apt-get install crun", CRUN_NOTES);
}

/** The executor over crun. */
export function crunExecutor(notes: readonly string[] = []): Executor {
  return runtimeExecutor({
    driver: "crun",
    program: findTool("crun") ?? "crun",
    notes,
    extraMounts: hideSecondHierarchy(),
    options: ["--cgroup-manager", "disabled"],
  });
}

/** crun refuses machines with both cgroup versions, even where it is told to leave cgroups alone; it is shown only the first. */
function hideSecondHierarchy(): PreludeStep[] {
  const unified = "/sys/fs/cgroup/unified";
  if (readHostFacts().cgroup !== "v1" || !existsSync(unified)) return [];
  return [{ kind: "mount", type: "tmpfs", options: "ro", source: "tmpfs", target: unified }];
}
