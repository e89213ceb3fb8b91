// The most memory that the processes of a cgroup and of those below it may have together (kernel, cgroup-v2.rst,
// memory.max; cgroup-v1/memory.rst, memory.limit_in_bytes).

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { BuildError } from "../core/errors.ts";

const MOUNTED = "/sys/fs/cgroup";

/** Makes the cgroup where it is not there. Throws `SANDBOX`. */
export function setMemoryLimit(cgroup: string, bytes: number): void {
  try {
    const name = normalize(`/${cgroup}`);
    if (existsSync(join(MOUNTED, "cgroup.controllers"))) limitV2(name, bytes);
    else limitV1(join(MOUNTED, "memory", name), bytes);
  } catch (cause) {
    throw new BuildError(
      "SANDBOX",
      `the memory of steps cannot be limited below the cgroup "${cgroup}": ${String(cause)}`,
      {
        cause,
        hint: "name one that this user may write to ([worker.oci] defaultCgroupParent), or leave max-memory out",
      },
    );
  }
}

function limitV1(directory: string, bytes: number): void {
  mkdirSync(directory, { recursive: true });
  const hierarchy = join(directory, "memory.use_hierarchy");
  if (existsSync(hierarchy) && readFileSync(hierarchy, "utf8").trim() === "0") writeFileSync(hierarchy, "1");
  writeFileSync(join(directory, "memory.limit_in_bytes"), String(bytes));
}

/** A cgroup has a controller when the one above hands it down. */
function limitV2(name: string, bytes: number): void {
  const directory = join(MOUNTED, name);
  mkdirSync(directory, { recursive: true });
  const above: string[] = [];
  for (let at = directory; at !== MOUNTED; at = dirname(at)) above.unshift(dirname(at));
  for (const each of above) {
    const control = join(each, "cgroup.subtree_control");
    if (!readFileSync(control, "utf8").split(/\s/).includes("memory")) writeFileSync(control, "+memory");
  }
  writeFileSync(join(directory, "memory.max"), String(bytes));
}
