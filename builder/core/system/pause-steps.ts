// Holds what steps run still for a moment. Their supervisors, which are the children of this process, go on: a stopped one
// would not notice that this process has died, and nothing would end the step.

import { readdirSync, readFileSync } from "node:fs";
import { isSystemError } from "../errors.ts";

/** Stops every process below the children of this one; disposing lets them go on. Where /proc does not show them, none. */
export function pauseSteps(): Disposable {
  const stopped = new Set<number>();
  // One that is born meanwhile has a parent that runs: until a look finds nobody new, there may be more.
  for (let before = -1; stopped.size !== before;) {
    before = stopped.size;
    for (const supervisor of childrenOf(process.pid))
      for (const pid of childrenOf(supervisor)) stopWithAllBelow(pid, stopped);
  }
  return {
    [Symbol.dispose]: () => {
      for (const pid of stopped) send(pid, "SIGCONT");
    },
  };
}

function stopWithAllBelow(pid: number, stopped: Set<number>): void {
  if (!stopped.has(pid) && send(pid, "SIGSTOP")) stopped.add(pid);
  for (const child of childrenOf(pid)) stopWithAllBelow(child, stopped);
}

/** Children belong to the thread that made them (proc_pid_task(5)). */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1")
        .split(" ")
        .map(Number)
        .filter((child) => child > 0),
    );
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}
