// The pool of layer workers. They start when there is work, stay for the next, and keep
// the process alive only while they work.

import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { BuildError } from "../../core/errors.ts";
import type { CompressedBlob } from "../compression/compress.ts";
import type { SourcedEntry } from "../entry.ts";
import { LayerIndex } from "../index-file.ts";
import type { AppliedLayer, FoundString, LayerJobs, PackedBlob, PlainChanges, WrittenLayer } from "./jobs.ts";
import { giveBackWorker, takeWorker } from "./spare-workers.ts";
import type { UnpackLimits } from "../unpack-limits.ts";
import type { Job, JobAnswer, JobMessage } from "./worker-messages.ts";

/**
 * Opens a pool; it costs nothing until the first job. More jobs than workers wait in order. `limits` are those of jobs that
 * name none.
 */
export function openLayerJobs(options: { workers?: number; limits?: UnpackLimits | undefined } = {}): LayerJobs {
  const pool = new Pool(options.workers ?? Math.min(4, Math.max(2, availableParallelism())));
  const limited = options.limits === undefined ? {} : { limits: options.limits };
  // The results cross from `worker.ts`, which runs the function of the same name: their types are the functions'.
  return {
    expectJob: () => pool.expectJob(),
    async pack(request, signal) {
      const done = await pool.run({ kind: "pack", request }, signal);
      const given = "index" in request.content ? request.content.index : undefined;
      // What an index says may be all that there is to say.
      return done.index === undefined && given !== undefined
        ? { ...(done.result as Omit<PackedBlob, "index">), index: new LayerIndex(given) }
        : withIndex<PackedBlob>(done);
    },
    apply: async (request, signal) =>
      withIndex<AppliedLayer>(await pool.run({ kind: "apply", request: { ...limited, ...request } }, signal)),
    applyGrowing(request, file, signal) {
      const job: Job = { kind: "apply growing", request: { ...limited, ...request }, file };
      return pool.runSpare(job, signal)?.then((done) => withIndex<AppliedLayer>(done));
    },
    unpack: async (request, signal) =>
      (await pool.run({ kind: "unpack", request: { ...limited, ...request } }, signal)).result as SourcedEntry[],
    search: async (request, signal) => (await pool.run({ kind: "search", request }, signal)).result as FoundString[],
    write: async (request, signal) => withIndex<WrittenLayer>(await pool.run({ kind: "write", request }, signal)),
    alter: async (request, signal) => withIndex<WrittenLayer>(await pool.run({ kind: "alter", request }, signal)),
    diff: async (request, signal) => indexOf(await pool.run({ kind: "diff", request }, signal)),
    plain: async (request, signal) => void (await pool.run({ kind: "plain", request }, signal)),
    changes: async (request, signal) => withIndex<PlainChanges>(await pool.run({ kind: "changes", request }, signal)),
    transcode: async (request, signal) =>
      (await pool.run({ kind: "transcode", request: { ...limited, ...request } }, signal)).result as CompressedBlob,
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

type Done = Exclude<JobAnswer, { error: unknown }>;

function indexOf({ index }: Done): LayerIndex {
  return new LayerIndex(index ?? new Uint8Array());
}

function withIndex<Result extends { readonly index: LayerIndex }>(done: Done): Result {
  return { ...(done.result as Omit<Result, "index">), index: indexOf(done) } as Result;
}

interface Waiting {
  readonly start: (worker: Worker) => void;
  readonly fail: (error: BuildError) => void;
}

class Pool {
  readonly #most: number;
  /** Each with its listener for the end. */
  readonly #all = new Map<Worker, () => void>();
  readonly #idle: Worker[] = [];
  readonly #waiting: Waiting[] = [];
  #isClosed = false;
  #waiters = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Runs a job that waits for somebody else, unless that would leave no worker for the others. */
  runSpare(job: Job, signal: AbortSignal): Promise<Done> | undefined {
    const busy = this.#all.size - this.#idle.length;
    if (this.#waiters >= this.#most - 1 || busy >= this.#most) return undefined;
    this.#waiters += 1;
    return this.run(job, signal).finally(() => (this.#waiters -= 1));
  }

  expectJob(): void {
    if (this.#isClosed || this.#all.size > 0) return;
    const worker = this.#startWorker();
    worker.unref();
    this.#idle.push(worker);
  }

  async run(job: Job, signal: AbortSignal): Promise<Done> {
    throwIfAborted(signal);
    const worker = await this.#acquire(signal);
    let isUsable = false;
    try {
      const result = await runOn(worker, job, signal);
      isUsable = true;
      return result;
    } catch (error) {
      isUsable = error instanceof BuildError && error.code !== "INTERNAL";
      throw error;
    } finally {
      this.#release(worker, isUsable);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { fail } of this.#waiting.splice(0)) fail(new BuildError("CANCELLED", "the layer workers are closed"));
    const busy = [...this.#all.keys()].filter((worker) => !this.#idle.includes(worker));
    for (const worker of this.#idle) {
      worker.off("exit", this.#all.get(worker) ?? (() => undefined));
      giveBackWorker(worker);
    }
    await Promise.all(busy.map((worker) => worker.terminate()));
  }

  async #acquire(signal: AbortSignal): Promise<Worker> {
    if (this.#isClosed) throw new BuildError("INTERNAL", "the layer workers are closed");
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#all.size < this.#most) return this.#startWorker();
    return await new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: (worker) => {
          signal.removeEventListener("abort", abort);
          resolve(worker);
        },
        fail: reject,
      };
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(cancelled());
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #startWorker(): Worker {
    const worker = takeWorker();
    const onExit = (): void => {
      this.#all.delete(worker);
      const at = this.#idle.indexOf(worker);
      if (at >= 0) this.#idle.splice(at, 1);
    };
    this.#all.set(worker, onExit);
    worker.once("exit", onExit);
    return worker;
  }

  #release(worker: Worker, isUsable: boolean): void {
    if (!this.#isClosed) worker.unref(); // close() has called ref(), to wait for the end
    if (!isUsable) {
      this.#all.delete(worker);
      void worker.terminate();
    } else if (this.#waiting.length === 0) {
      this.#idle.push(worker);
      return;
    }
    const next = this.#waiting.shift();
    if (next !== undefined) next.start(isUsable ? worker : this.#startWorker());
  }
}

async function runOn(worker: Worker, job: Job, signal: AbortSignal): Promise<Done> {
  const abortFlag = new SharedArrayBuffer(4);
  const abort = (): void => void Atomics.store(new Int32Array(abortFlag), 0, 1);
  worker.ref();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const answer = await new Promise<JobAnswer>((resolve, reject) => {
      const dead = (why: string, cause?: unknown): void => {
        reject(new BuildError("INTERNAL", `a layer worker ended while it worked: ${why}`, { cause }));
      };
      const onMessage = (message: JobAnswer): void => {
        worker.off("error", onError).off("exit", onExit);
        resolve(message);
      };
      const onError = (error: unknown): void => dead(error instanceof Error ? error.message : String(error), error);
      const onExit = (code: number): void => dead(`exit code ${code}`);
      worker.once("message", onMessage).once("error", onError).once("exit", onExit);
      worker.postMessage({ job, abortFlag } satisfies JobMessage);
      if (signal.aborted) abort();
    });
    if (!("error" in answer)) return answer;
    throw asThrown(answer.error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function asThrown(error: Extract<JobAnswer, { error: unknown }>["error"]): BuildError {
  return new BuildError(error.code, error.message, { cause: error.cause, hint: error.hint, exitCode: error.exitCode });
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled();
}

function cancelled(): BuildError {
  return new BuildError("CANCELLED", "cancelled");
}
