// Signals on their way to a step's process. It is pid 1 of its namespace, to which the kernel delivers nothing that it
// does not handle (pid_namespaces(7)): a `sleep` could not be interrupted. So a signal that would have ended any other
// process ends this one too.

import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import type { SignalSource, StepResult } from "./executor.ts";

/** The passing on, until disposed. */
export interface PassedSignals extends Disposable {
  /**
   * Says where they go: to the step below the process `pid`, which has just been started. `depth`: how many pid namespaces
   * lie between it and the step's process.
   */
  to(pid: number | undefined, depth: number): void;
  /** The result, where one of these signals ended the process: as if it had died of it. */
  resultOf(result: StepResult): StepResult;
}

/** Takes the signals from here on, so that none is lost while the step is being started. */
export function passSignals(source: SignalSource | undefined): PassedSignals {
  let isOver = false;
  let target: { readonly pid: number; readonly depth: number } | undefined;
  let endedBy: NodeJS.Signals | undefined;
  const deliver = (name: NodeJS.Signals): void => {
    if (isOver) return;
    const init = target && stepProcess(target.pid, target.depth);
    const mask = init === undefined ? undefined : signalMasks(init);
    // Not started yet, or just gone.
    if (init === undefined || mask === undefined) return void setTimeout(() => deliver(name), RETRY_MS).unref();
    const bit = 1n << BigInt(constants.signals[name] - 1);
    const survives = ((mask.caught | mask.ignored) & bit) !== 0n || QUIET.has(name);
    if (!survives) endedBy ??= name;
    send(init, survives ? name : "SIGKILL");
  };
  const listening = source?.listen(deliver);
  return {
    to: (pid, depth) => (target = pid === undefined ? undefined : { pid, depth }),
    // Not by the exit code alone: unshare(1) does not pass on that its child was killed.
    resultOf: (result) =>
      endedBy !== undefined && result.exitCode !== 0
        ? { ...result, exitCode: 128 + constants.signals[endedBy], signal: endedBy }
        : result,
    [Symbol.dispose]() {
      isOver = true;
      listening?.[Symbol.dispose]();
    },
  };
}

const RETRY_MS = 20;
/** Signals whose default is to do nothing (signal(7)). */
const QUIET: ReadonlySet<NodeJS.Signals> = new Set(["SIGCHLD", "SIGURG", "SIGWINCH"]);

/** The first process of the innermost of `depth` pid namespaces below a process. */
function stepProcess(pid: number, depth: number): number | undefined {
  let found = pid;
  for (let level = 0; level < depth; level++) {
    const outside = namespaceDepth(found);
    const child = childrenOf(found).find((candidate) => namespaceDepth(candidate) > outside);
    if (child === undefined) return undefined;
    found = child;
  }
  return found;
}

/** The children of a process, whichever of its threads started them; none when it is gone. */
export function childrenOf(pid: number): number[] {
  const lists = readNames(`/proc/${pid}/task`).map((thread) => readText(`/proc/${pid}/task/${thread}/children`));
  if (lists.some((list) => list !== undefined))
    return lists
      .flatMap((list) => list?.trim().split(" ") ?? [])
      .flatMap((child) => (child === "" ? [] : Number(child)));
  // A kernel without these lists (CONFIG_PROC_CHILDREN).
  return readNames("/proc")
    .filter((name) => /^\d+$/.test(name) && field(Number(name), "PPid") === String(pid))
    .map(Number);
}

/** In how many nested pid namespaces a process has a number; 0 when it is gone. */
function namespaceDepth(pid: number): number {
  return field(pid, "NSpid")?.split(/\s+/).length ?? 0;
}

function signalMasks(pid: number): { readonly caught: bigint; readonly ignored: bigint } | undefined {
  const [caught, ignored] = [field(pid, "SigCgt"), field(pid, "SigIgn")];
  if (caught === undefined || ignored === undefined) return undefined;
  return { caught: BigInt(`0x${caught}`), ignored: BigInt(`0x${ignored}`) };
}

/** A line of /proc/<pid>/status. */
function field(pid: number, name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(readText(`/proc/${pid}/status`) ?? "")?.[1]?.trim();
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone in between
  }
}

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
