// Layer workers that no pool has. Starting one costs as much as starting a program, so those of a pool that is closed wait
// a while for the next one of this process: a daemon's next build.

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { shareHeap } from "../../core/system/syscall.ts";

/** As many as one pool has at most. */
const MOST_SPARE = 4;
const SPARE_MS = 10_000;

const spare = new Map<Worker, NodeJS.Timeout>();

/** A worker that does nothing, and does not keep the process alive. */
export function takeWorker(): Worker {
  const [first] = spare;
  if (first === undefined) return startWorker();
  const [worker, timeout] = first;
  forget(worker, timeout);
  return worker;
}

/** Gives back a worker that has answered, does not keep the process alive, and to which nobody listens any more. */
export function giveBackWorker(worker: Worker): void {
  if (spare.size >= MOST_SPARE) return void worker.terminate();
  const timeout = setTimeout(() => {
    forget(worker, timeout);
    void worker.terminate();
  }, SPARE_MS).unref();
  spare.set(worker, timeout);
}

function forget(worker: Worker, timeout: NodeJS.Timeout): void {
  clearTimeout(timeout);
  spare.delete(worker);
}

function startWorker(): Worker {
  shareHeap();
  // "worker.ts" when the sources run as they are, "worker.js" in dist.
  const worker = new Worker(new URL(`./worker${extname(import.meta.url)}`, import.meta.url), {
    name: "layer",
    // Not the flags of whoever started us: `-e` or `--test` are not for workers.
    execArgv: [],
    // Large data lies outside the heap; a small young generation keeps its garbage from piling up.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  });
  worker.once("exit", () => {
    const timeout = spare.get(worker);
    if (timeout !== undefined) forget(worker, timeout);
  });
  return worker;
}
