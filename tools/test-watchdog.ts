// Ends what a run of tests waits for in vain. A test file ends when its standard output is closed and its event loop is
// empty, so one process that a failed test left behind would keep the whole run, and CI with it, from ending.

import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

/** Names the run in the environment of every process that it starts. */
const MARK = "TSBUILD_TEST_RUN";

/** A process of the run, for people. */
export interface LeftProcess {
  readonly pid: number;
  readonly command: string;
}

/** Reports and kills (SIGKILL) all processes of this run once nothing was reported for `silenceMs`. */
export class Watchdog implements Disposable {
  readonly #silenceMs: number;
  readonly #report: (killed: readonly LeftProcess[]) => void;
  #timer: NodeJS.Timeout;

  constructor(silenceMs: number, report: (killed: readonly LeftProcess[]) => void) {
    process.env[MARK] = `${process.pid}-${Date.now()}`;
    this.#silenceMs = silenceMs;
    this.#report = report;
    this.#timer = this.#start();
  }

  /** Something was reported: the time begins anew. */
  heard(): void {
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #start(): NodeJS.Timeout {
    return setInterval(() => {
      const left = processesOf(`${MARK}=${process.env[MARK]}`);
      this.#report(left);
      for (const { pid } of left) kill(pid);
    }, this.#silenceMs);
  }
}

/** All processes but this one with that variable in their environment; those of other users cannot be seen (proc(5)). */
function processesOf(variable: string): LeftProcess[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(variable)) return [];
        return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").slice(0, 200) }];
      } catch {
        return []; // it has ended, or is another user's
      }
    });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}
