// Holds what steps run still for a moment. Their supervisors, which are children of this process, go on: a stopped one
// would not notice that this process has died, and nothing would end the step. Other children are nobody's business here.

import { isSystemError } from "../core/errors.ts";
import { childrenOf } from "./pass-signals.ts";

/** Supervisors of the steps that run, with a folder of the step's own. */
const supervisors = new Map<number, string>();

/** Says which process supervises a step, until disposed, and names a folder in which the step's files are. */
export function stepRuns(supervisor: number | undefined, folder: string): Disposable {
  if (supervisor !== undefined) supervisors.set(supervisor, folder);
  return {
    [Symbol.dispose]: () => {
      if (supervisor !== undefined) supervisors.delete(supervisor);
    },
  };
}

/**
 * Stops every process of the steps whose folder is below one of `folders`; disposing lets them go on. Where /proc does not
 * show them, none.
 */
export function pauseSteps(folders: readonly string[]): Disposable {
  const stopped = new Set<number>();
  const isOurs = (folder: string): boolean => folders.some((each) => folder.startsWith(`${each}/`));
  const ours = [...supervisors].flatMap(([pid, folder]) => (isOurs(folder) ? [pid] : []));
  // One that is born meanwhile has a parent that runs: until a look finds nobody new, there may be more.
  for (let before = -1; stopped.size !== before;) {
    before = stopped.size;
    for (const supervisor of ours) for (const pid of childrenOf(supervisor)) stopWithAllBelow(pid, stopped);
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

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}
