// type=local: a result's files in a folder. The work is synchronous, in a thread of its own.

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { readFileSync } from "node:fs";
import { asBuildError, BuildError } from "../core/errors.ts";
import type { FileTree } from "../layer/file-tree.ts";
import type { Platform } from "../core/platform.ts";
import { explainOutput } from "./file-sink.ts";
import type { LocalRequest, LocalAnswer } from "./local-files.ts";
import { mergedEntries } from "./merged.ts";

/** A platform's files. */
export interface PlatformTree {
  readonly platform: Platform;
  readonly tree: FileTree;
}

export interface LocalOptions {
  /** The folder; made when it is not there. */
  readonly path: string;
  /** One folder a platform: "linux_arm64". */
  readonly platformSplit: boolean;
  /** Also removes what the result does not have. */
  readonly deleteExtra: boolean;
  /** Whether this process may chown and mknod. */
  readonly privileged: boolean;
  /** Ceiling of all mtimes in seconds (SOURCE_DATE_EPOCH). */
  readonly epochSeconds?: number | undefined;
}

/**
 * Writes the files; gives the paths of devices that only root could have made. Owners are kept by real root alone: for
 * anybody else, also inside a user namespace, the files are his. Throws `OUTPUT`.
 */
export async function exportLocal(
  trees: readonly PlatformTree[],
  options: LocalOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const entries = await mergedEntries(trees, options.platformSplit, signal);
  const request: LocalRequest = {
    entries,
    root: options.path,
    deleteExtra: options.deleteExtra,
    keepOwners: options.privileged && !isInUserNamespace(),
    ...(options.epochSeconds === undefined ? {} : { maxMtimeNs: BigInt(options.epochSeconds) * 1_000_000_000n }),
  };
  const answer = await inThread(request, signal);
  if (answer.kind === "done") return answer.skipped;
  const error = Object.assign(new Error(answer.message), answer.code === undefined ? {} : { code: answer.code });
  throw asBuildError(explainOutput(error, answer.path ?? options.path));
}

async function inThread(request: LocalRequest, signal: AbortSignal): Promise<LocalAnswer> {
  signal.throwIfAborted();
  // Beside this file, as source or compiled.
  const worker = new Worker(new URL(`./local-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: request,
  });
  const stop = (): void => void worker.terminate();
  signal.addEventListener("abort", stop);
  try {
    return await new Promise<LocalAnswer>((resolve, reject) => {
      worker.on("message", resolve);
      worker.on("error", reject);
      worker.on("exit", () =>
        reject(
          signal.aborted
            ? signal.reason
            : new BuildError("INTERNAL", "the thread that wrote the files ended without an answer"),
        ),
      );
    });
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.terminate();
  }
}

function isInUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    return false;
  }
}
