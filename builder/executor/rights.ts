// What this process may do as it is: a look that costs nothing, for programs that may never run a step.

import { readFileSync } from "node:fs";

/** Set in the environment of a program that was started once more in a user namespace, to the kind of that. */
export const NAMESPACE_VARIABLE = "TSBUILD_USERNS";
/** Set beside it: what does not work in that namespace, one note a line. */
export const NOTES_VARIABLE = "TSBUILD_USERNS_NOTES";

/** Whether this process has CAP_SYS_ADMIN in its user namespace: real root, or root of one. A quick look; `planUserNamespace` tries. */
export function isPrivileged(): boolean {
  const text = readFileSync("/proc/self/status", "utf8");
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(text)?.[1] ?? "0"}`);
  return ((mask >> 21n) & 1n) === 1n;
}

/** What the program before this one found out about this namespace: what will not work in it. */
export function namespaceNotes(env: ReadonlyMap<string, string>): string[] {
  return (env.get(NOTES_VARIABLE) ?? "").split("\n").filter((note) => note !== "");
}
