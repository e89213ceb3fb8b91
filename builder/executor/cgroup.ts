// A cgroup for one step, where the caller names a parent (--cgroup-parent). Without one, steps stay
// in the builder's own cgroup: an ordinary user has none delegated, and steps have no limits of their own.

import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { BuildError } from "../core/errors.ts";
import type { StepSpec } from "./executor.ts";
import type { HostFacts } from "./host-facts.ts";
import { readText } from "./read-text.ts";

export interface StepCgroups extends Disposable {
  /** What the step joins before it starts: one, or with version 1 one a hierarchy. */
  readonly directories: readonly string[];
  /** Whether the kernel's out-of-memory killer struck in it. */
  outOfMemory(): boolean;
}

/** Version 1 has a number for that, somewhat above. */
const NO_LIMIT = 2 ** 60;
const MOUNTED = "/sys/fs/cgroup";

/** Makes the cgroups that the step asks for; disposing removes them. Throws `SANDBOX` where they cannot be made. */
export function makeStepCgroups(step: StepSpec, host: HostFacts): StepCgroups {
  if (!step.cgroupParent) return { directories: [], outOfMemory: watchOwnMemory(), [Symbol.dispose]: () => undefined };
  const parent = normalize(`/${step.cgroupParent}`);
  const directories = hierarchies(parent, host).map((hierarchy) => join(hierarchy, parent, "tsbuild", step.id));
  try {
    for (const directory of directories) makeCgroup(directory);
  } catch (cause) {
    throw new BuildError(
      "SANDBOX",
      `cannot make a cgroup for the step below "${step.cgroupParent}": ${String(cause)}`,
      {
        cause,
        hint: "leave --cgroup-parent out, or have that cgroup delegated to this user",
      },
    );
  }
  return {
    directories,
    outOfMemory: () => directories.some((directory) => oomKills(directory) > 0),
    [Symbol.dispose]: () => {
      for (const directory of directories) {
        try {
          rmdirSync(directory);
          rmdirSync(dirname(directory));
        } catch {
          // a process of the step may still be on its way out, or another step is there; an empty cgroup does no harm
        }
      }
    },
  };
}

/**
 * For steps that run in the cgroup of this process, a pod's say: whether the out-of-memory killer struck in there since
 * this was called. False where the cgroup cannot be seen.
 */
export function watchOwnMemory(): () => boolean {
  const directories = ownMemoryCgroups();
  const count = (): number => directories.reduce((sum, directory) => sum + oomKills(directory), 0);
  const before = count();
  return () => count() > before;
}

/** The most memory that the cgroups of this process may have, in bytes; undefined where there is no limit, or none can be seen. */
export function ownMemoryLimit(): number | undefined {
  const limits = ownMemoryCgroups().flatMap((directory) =>
    ["memory.max", "memory.limit_in_bytes"].map((name) => Number(readText(join(directory, name)).trim() || "max")),
  );
  const least = Math.min(...limits.filter((bytes) => bytes > 0)); // no number: "max"
  return least < NO_LIMIT ? least : undefined;
}

/** Those that count memory (cgroups(7)); in a container without a cgroup namespace its own is what is mounted. */
function ownMemoryCgroups(): readonly string[] {
  return readText("/proc/self/cgroup")
    .split("\n")
    .flatMap((line) => {
      const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
      if (path === undefined || !(controllers === "" || controllers === "memory")) return [];
      const mounted = join(MOUNTED, controllers ?? "");
      return existsSync(join(mounted, path)) ? join(mounted, path) : mounted;
    });
}

/** For the drivers that put steps into no cgroup. Throws `SANDBOX` when one is asked for. */
export function refuseCgroupParent(step: StepSpec, driver: string): void {
  if (!step.cgroupParent) return;
  throw new BuildError("SANDBOX", `steps that are run by ${driver} cannot be put below --cgroup-parent`, {
    hint: "leave it out, or build the launcher (`make`, with a C compiler), which can",
  });
}

/** With version 1 those in which somebody made the parent, for its limits; the memory's where nobody did. */
function hierarchies(parent: string, host: HostFacts): readonly string[] {
  if (host.cgroup === "v2") return [MOUNTED];
  const all = new Set(
    readdirSync(MOUNTED)
      .map((name) => realpathSync(join(MOUNTED, name)))
      .filter((hierarchy) => existsSync(join(hierarchy, "tasks"))),
  );
  const limited = [...all].filter((hierarchy) => existsSync(join(hierarchy, parent)));
  return limited.length > 0 ? limited : [join(MOUNTED, "memory")];
}

/** In a new cpuset of version 1 nothing can run before it has processors and memory: it gets its parent's. */
function makeCgroup(directory: string): void {
  if (existsSync(directory)) return;
  const above = dirname(directory);
  if (above !== MOUNTED) makeCgroup(above);
  mkdirSync(directory);
  for (const name of ["cpuset.cpus", "cpuset.mems"]) {
    const file = join(directory, name);
    const isUnset =
      existsSync(join(directory, "tasks")) && existsSync(file) && readFileSync(file, "utf8").trim() === "";
    if (isUnset) writeFileSync(file, readFileSync(join(above, name)));
  }
}

function oomKills(directory: string): number {
  for (const name of ["memory.events", "memory.oom_control"]) {
    try {
      return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(directory, name), "utf8"))?.[1] ?? 0);
    } catch {
      // of the other version, or another hierarchy
    }
  }
  return 0;
}
