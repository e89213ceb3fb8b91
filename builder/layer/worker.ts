// A worker of the pool: takes one job at a time, does it, answers. Most of a job is
// synchronous, so it learns of an abort by a flag in shared memory, not by a message.

import { parentPort } from "node:worker_threads";
import { asBuildError, BuildError } from "../core/errors.ts";
import { apply, unpack } from "./apply.ts";
import { diff } from "./differ.ts";
import { pack } from "./pack.ts";
import { changes, plain } from "./plain-tree.ts";
import { transcode } from "./transcode.ts";
import type { Job, JobAnswer, JobMessage } from "./worker-messages.ts";
import { write } from "./write.ts";

parentPort?.on("message", (message: JobMessage) => {
  void answer(message).then((reply) => parentPort?.postMessage(reply));
});

async function answer({ job, abortFlag }: JobMessage): Promise<JobAnswer> {
  const flag = new Int32Array(abortFlag);
  const check = (): void => {
    if (Atomics.load(flag, 0) !== 0) throw new BuildError("CANCELLED", "cancelled");
  };
  try {
    return { result: await run(job, check) };
  } catch (error) {
    const known = asBuildError(error);
    const stack = error instanceof Error ? error.stack : undefined;
    return {
      error: { code: known.code, message: known.message, hint: known.hint, exitCode: known.exitCode, cause: stack },
    };
  }
}

async function run(job: Job, check: () => void): Promise<unknown> {
  switch (job.kind) {
    case "pack":
      return await pack(job.request, check);
    case "apply":
      return await apply(job.request, check);
    case "unpack":
      return await unpack(job.request, check);
    case "write":
      return write(job.request, check);
    case "diff":
      return diff(job.request, check);
    case "plain":
      return plain(job.request, check);
    case "changes":
      return changes(job.request, check);
    case "transcode":
      return await transcode(job.request, check);
  }
}
