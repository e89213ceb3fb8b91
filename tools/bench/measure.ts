// Times a command as a whole process tree: wall seconds, CPU seconds and the peak
// resident memory of the tree's largest process.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** utime, stime, cutime and cstime in proc_pid_stat(5), after the name; a tick is the same everywhere Node runs. */
const PROCESSOR_TIMES = 11;
const TICKS_A_SECOND = 100;

export interface Measured {
  readonly seconds: number;
  /** Peak resident set of the largest process, MB. */
  readonly peakMb: number;
  /** Processor time of the daemon that the command used, where there is one. */
  readonly daemonSeconds?: number;
}

/** Runs a command to its end; throws with its last output when it fails. */
export async function measure(command: readonly string[], env: NodeJS.ProcessEnv): Promise<Measured> {
  const [program = "", ...args] = command;
  const started = performance.now();
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-4000)));
  let peakMb = 0;
  const sampler = setInterval(() => {
    if (child.pid !== undefined) peakMb = Math.max(peakMb, ...treeOf(child.pid).map(peakOf));
  }, 20);
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once("error", reject).once("close", resolve),
  );
  clearInterval(sampler);
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${String(code)}\n${output}`);
  return { seconds, peakMb };
}

function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = read(`/proc/${name}/stat`).split(") ").pop()?.split(" ");
    parents.set(Number(name), Number(fields?.[1] ?? 0));
  }
  const tree = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (tree.has(parent) && !tree.has(pid)) grown = tree.add(pid).size > 0;
    }
  }
  return [...tree];
}

/** Peak resident set of a process until now, MB; 0 when it is gone. */
export function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

/** Processor time that a process and its children have taken until now. */
export function processorSecondsOf(pid: number): number {
  const ticks = treeOf(pid).flatMap((each) => {
    const fields = read(`/proc/${each}/stat`).split(") ").pop()?.split(" ") ?? [];
    return fields.slice(PROCESSOR_TIMES, PROCESSOR_TIMES + 4).map(Number);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / TICKS_A_SECOND;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process is gone
  }
}

/** Median of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
