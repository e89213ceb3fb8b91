// What a step leaves running where it has no pid namespace that ends with it. Its supervisor ends all of it; but a step may
// kill its supervisor, and what lives on must not see what lies in its root after it, nor where that is moved.

import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { setSubreaper } from "../../core/system/syscall.ts";
import { readText } from "../read-text.ts";

const POLL_MS = 5;

/** Runs a step in the root at `root`; when it has ended, whether well or not, nothing of it runs any more. One at a time. */
export async function withoutSurvivors<T>(root: string, run: () => Promise<T>): Promise<T> {
  setSubreaper(true);
  try {
    return await run();
  } catch (error) {
    for (;;) {
      const left = childrenIn(root);
      if (left.length === 0) throw error;
      for (const pid of left) endProcess(pid);
      await setTimeout(POLL_MS); // their children come to this process when they are gone
    }
  } finally {
    setSubreaper(false);
  }
}

/** Children of this process that run in a root. Of another user's none can be asked: nothing but steps has one here. */
function childrenIn(root: string): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isOwnChild(pid) && rootOf(pid)?.startsWith(root) !== false);
}

function isOwnChild(pid: number): boolean {
  // "pid (name) state ppid": the name may hold anything.
  const [state, parent] = readText(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, "")
    .split(" ");
  return Number(parent) === process.pid && state !== "Z";
}

function rootOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/root`);
  } catch {
    return undefined;
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it is gone
  }
}
