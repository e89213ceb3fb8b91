// What this process may do as it is: a look that costs nothing, for programs that may never run a step.

import { readFileSync } from "node:fs";

/** Whether this process has CAP_SYS_ADMIN in its user namespace: real root, or root of one. A quick look; `planUserNamespace` tries. */
export function isPrivileged(): boolean {
  const text = readFileSync("/proc/self/status", "utf8");
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(text)?.[1] ?? "0"}`);
  return ((mask >> 21n) & 1n) === 1n;
}
