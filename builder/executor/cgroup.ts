// A cgroup for one step, where the caller names a parent (--cgroup-parent). Without one, steps stay
// in the builder's own cgroup: an ordinary user has none delegated, and steps have no limits of their own.

import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join, normalize } from "node:path";
import { BuildError } from "../core/errors.ts";
import type { StepSpec } from "./executor.ts";
import type { HostFacts } from "./host-facts.ts";

export interface StepCgroup extends Disposable {
  readonly directory: string | undefined;
  /** Whether the kernel's out-of-memory killer struck in it. */
  outOfMemory(): boolean;
}

/** Makes the cgroup that the step asks for; disposing removes it. Throws `SANDBOX` where cgroups cannot be made. */
export function joinStepCgroup(step: StepSpec, host: HostFacts): StepCgroup {
  if (step.cgroupParent === undefined || step.cgroupParent === "") {
    return { directory: undefined, outOfMemory: () => false, [Symbol.dispose]: () => undefined };
  }
  const base = host.cgroup === "v2" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
  const directory = join(base, normalize(`/${step.cgroupParent}`), "tsbuild", step.id);
  try {
    mkdirSync(directory, { recursive: true });
  } catch (cause) {
    throw new BuildError(
      "SANDBOX",
      `cannot make a cgroup for step ${step.id} below "${step.cgroupParent}": ${String(cause)}`,
      {
        cause,
        hint: "leave --cgroup-parent out, or have that cgroup delegated to this user",
      },
    );
  }
  return {
    directory,
    outOfMemory: () => oomKills(directory, host) > 0,
    [Symbol.dispose]: () => {
      try {
        rmdirSync(directory);
      } catch {
        // a process of the step may still be on its way out; an empty cgroup does no harm
      }
    },
  };
}

function oomKills(directory: string, host: HostFacts): number {
  try {
    const text = readFileSync(join(directory, host.cgroup === "v2" ? "memory.events" : "memory.oom_control"), "utf8");
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
