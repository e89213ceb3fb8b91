// Who owns a temporary file: a process, named so that another process can
// tell whether it still lives. A pid alone would not do (pids are reused) and means
// nothing in another pid namespace, where only the age of the file is left to judge by.

import { readFileSync, readlinkSync } from "node:fs";

/** `<pid>-<start time in ticks>-<pid namespace>`; fit for a file name. */
export type OwnerName = string;

let own: OwnerName | undefined;

/** The name of this process. */
export function ownerName(): OwnerName {
  own ??= `${process.pid}-${startTime(process.pid) ?? 0}-${pidNamespace()}`;
  return own;
}

/** Whether an owner lives: true, false, or undefined when it cannot be known from here. */
export function isOwnerAlive(owner: OwnerName): boolean | undefined {
  const match = /^(\d+)-(\d+)-(\w+)$/.exec(owner);
  if (match === null) return undefined;
  const [, pid, start, namespace] = match;
  if (namespace !== pidNamespace()) return undefined;
  return startTime(Number(pid)) === Number(start);
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "none";
  } catch {
    return "none";
  }
}

// proc(5): field 22 of /proc/<pid>/stat. The name in field 2 may hold spaces and
// parentheses, so count from its last one. A zombie (state Z) owns nothing any more.
function startTime(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}
