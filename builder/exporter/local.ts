// type=local: a result's files in a folder. The work is synchronous, in a thread of its own.

import { readFileSync } from "node:fs";
import { rmdir, stat } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { Worker } from "node:worker_threads";
import { bytePath } from "../core/bytes/byte-path.ts";
import { asBuildError, BuildError, isErrno } from "../core/errors.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import type { StatementFiles } from "./attestations.ts";
import { explainOutput, temporaryBeside, temporaryIn } from "./file-sink.ts";
import type { LocalAnswer, LocalRequest } from "./local-folder.ts";
import type { PlatformTree } from "./merged.ts";
import { mergedEntries } from "./merged.ts";
import { makeDirectories } from "../store/directories.ts";

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
  /** Where attestations go; default: under their own names. */
  readonly statements?: StatementFiles;
}

/** What was written. */
export interface WrittenFiles {
  /** Bytes of regular files. */
  readonly sizeBytes: number;
  /** Paths of devices that only root could have made. */
  readonly skipped: readonly string[];
}

/**
 * Writes the files. Owners are kept by real root alone: for anybody else, also inside a user namespace, the files are
 * his. Throws `OUTPUT`; the folder is then as it was, or the message says that it is not.
 */
export async function exportLocal(
  trees: readonly PlatformTree[],
  options: LocalOptions,
  signal: AbortSignal,
): Promise<WrittenFiles> {
  const entries = await mergedEntries(trees, options, signal);
  const place = await explained(options.path, () => preparePlace(options.path));
  try {
    const answer = await inThread(
      {
        entries,
        ...place,
        deleteExtra: options.deleteExtra,
        keepOwners: options.privileged && !isInUserNamespace(),
        ...(options.epochSeconds === undefined ? {} : { maxMtimeNs: BigInt(options.epochSeconds) * 1_000_000_000n }),
      },
      signal,
    );
    if (answer.kind === "failed") throw failed(answer, options.path);
    const sizeBytes = entries.reduce((sum, { entry }) => sum + entry.size, 0);
    return { sizeBytes, skipped: answer.skipped };
  } catch (error) {
    removeTree(bytePath(place.staging));
    for (const made of place.madeParents) await rmdir(made).catch(() => undefined);
    throw error;
  }
}

interface Place {
  readonly root: string;
  readonly staging: string;
  readonly isNew: boolean;
  /** Directories above the root that were made for it, the lowest first. */
  readonly madeParents: readonly string[];
}

async function preparePlace(path: string): Promise<Place> {
  const there = await stat(path).catch((error: unknown) => {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  });
  if (there !== undefined) return { root: path, staging: await temporaryIn(path), isNew: false, madeParents: [] };
  const parent = dirname(path);
  const first = await makeDirectories(parent);
  const madeParents: string[] = [];
  for (let at = parent; first !== undefined && at.length >= first.length; at = dirname(at)) madeParents.push(at);
  return { root: path, staging: await temporaryBeside(path), isNew: true, madeParents };
}

function failed(answer: Extract<LocalAnswer, { kind: "failed" }>, folder: string): unknown {
  const cause = Object.assign(new Error(answer.message), answer.code === undefined ? {} : { code: answer.code });
  const error = asBuildError(explainOutput(cause, answer.path ?? folder));
  if (!answer.hasBegun) return error;
  const hint = `a part of the result lies in "${folder}" already; the rest does not`;
  return new BuildError(error.code, error.message, { cause: error, hint });
}

/** The thread learns of an abort by a flag, so that it stops between two files and not in the middle of moving them. */
async function inThread(request: Omit<LocalRequest, "stopFlag">, signal: AbortSignal): Promise<LocalAnswer> {
  signal.throwIfAborted();
  const stopFlag = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  // Beside this file, as source or compiled.
  const worker = new Worker(new URL(`./local-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: { ...request, stopFlag } satisfies LocalRequest,
  });
  const stop = (): void => void Atomics.store(new Int32Array(stopFlag), 0, 1);
  signal.addEventListener("abort", stop);
  try {
    const answer = await new Promise<LocalAnswer>((resolve, reject) => {
      worker.on("message", resolve);
      worker.on("error", reject);
      worker.on("exit", () =>
        reject(new BuildError("INTERNAL", "the thread that wrote the files ended without an answer")),
      );
    });
    if (answer.kind === "failed") signal.throwIfAborted();
    return answer;
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.terminate();
  }
}

async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainOutput(error, path);
  }
}

function isInUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  } catch {
    return false;
  }
}
