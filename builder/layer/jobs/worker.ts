// A worker of the pool: takes one job at a time, does it, answers. Most of a job is
// synchronous, so it learns of an abort by a flag in shared memory, not by a message.

import { parentPort } from "node:worker_threads";
import { asBuildError, BuildError } from "../../core/errors.ts";
import { readGrowing } from "../../core/system/growing-file.ts";
import { apply, applyFrom, unpack } from "../apply.ts";
import { diff } from "../tree/differ.ts";
import type { Entry } from "../entry.ts";
import { encodeIndex } from "../index-file.ts";
import { searchLayer } from "../view/layer-search.ts";
import { pack } from "../pack.ts";
import { changes, plain } from "../tree/plain-tree.ts";
import { transcode } from "../compression/transcode.ts";
import type { Job, JobAnswer, JobMessage } from "./worker-messages.ts";
import { alter, write } from "../tree/write.ts";

parentPort?.on("message", (message: JobMessage) => {
  void answer(message).then((reply) => parentPort?.postMessage(reply, transferred(reply)));
});

function transferred(answer: JobAnswer): ArrayBuffer[] {
  return "index" in answer && answer.index !== undefined ? [answer.index.buffer] : [];
}

async function answer({ job, abortFlag }: JobMessage): Promise<JobAnswer> {
  const flag = new Int32Array(abortFlag);
  const check = (): void => {
    if (Atomics.load(flag, 0) !== 0) throw new BuildError("CANCELLED", "cancelled");
  };
  try {
    const { result, index } = await run(job, check);
    return { result, ...(index === undefined ? {} : { index: encodeIndex(index) }) };
  } catch (error) {
    const known = asBuildError(error);
    const stack = error instanceof Error ? error.stack : undefined;
    return {
      error: { code: known.code, message: known.message, hint: known.hint, exitCode: known.exitCode, cause: stack },
    };
  }
}

/** What a job gives, and the entries that go back as an index. */
interface Done {
  readonly result?: unknown;
  readonly index?: readonly Entry[];
}

async function run(job: Job, check: () => void): Promise<Done> {
  switch (job.kind) {
    case "pack":
      return splitEntries(await pack(job.request, check));
    case "search":
      return { result: await searchLayer(job.request, check) };
    case "apply":
      return splitEntries(await apply(job.request, check));
    case "apply growing":
      return splitEntries(await applyFrom(() => readGrowing(job.file, check), job.request, check));
    case "unpack":
      return { result: await unpack(job.request, check) };
    case "write":
      return splitEntries(write(job.request, check));
    case "alter":
      return splitEntries(alter(job.request, check));
    case "diff":
      return { index: diff(job.request, check).map(({ entry }) => entry) };
    case "plain":
      plain(job.request, check);
      return {};
    case "changes":
      return splitEntries(changes(job.request, check));
    case "transcode":
      return { result: await transcode(job.request, check) };
  }
}

function splitEntries({ entries, ...result }: { readonly entries?: readonly Entry[] | undefined }): Done {
  return { result, ...(entries === undefined ? {} : { index: entries }) };
}
