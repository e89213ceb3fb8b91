// The door to what the steps of all builds may have together.

import { totalmem } from "node:os";
import { setMemoryLimit } from "./executor/memory-limit.ts";

/** Lets the steps below a cgroup have so much memory together. Throws `SANDBOX` where that cannot be had. */
export function limitMemory(cgroup: string, most: { readonly bytes: number } | { readonly percent: number }): void {
  setMemoryLimit(cgroup, "bytes" in most ? most.bytes : Math.floor((totalmem() * most.percent) / 100));
}
