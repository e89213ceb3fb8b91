// Packs and unpacks cache mounts in a thread of their own; here is what happens to the blobs that come out of it, and
// where those that go in come from.

import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { displayPath } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { FoundString } from "../../layer/jobs/jobs.ts";
import type { ChunkBlob } from "./listing.ts";
import type {
  FromThread,
  PackedMount,
  PackRequest,
  ThreadRequest,
  ToThread,
  UnpackRequest,
} from "./thread-messages.ts";
import { IN_FLIGHT } from "./thread-messages.ts";

/**
 * Reads a mount; `put` is given each chunk that is not known, a few at a time, and waited for. Throws `STORE` when the
 * mount changed meanwhile, and what `refuse` gives where one of the strings stands in it: then nothing was put.
 */
export async function packMount(
  request: Omit<PackRequest, "kind">,
  put: (blob: ChunkBlob, bytes: Uint8Array) => Promise<void>,
  refuse: (found: readonly FoundString[]) => BuildError,
  signal: AbortSignal,
): Promise<PackedMount> {
  const puts: Promise<void>[] = [];
  try {
    const packed = await inThread({ kind: "pack", ...request }, signal, (message, { reply, fail }) => {
      if (message.kind === "packed") return message;
      if (message.kind === "found") fail(refuse(message.found));
      if (message.kind === "chunk") {
        const putting = put(message.blob, message.bytes);
        putting.then(() => reply({ kind: "taken" }), fail);
        puts.push(putting);
      }
      return undefined;
    });
    await Promise.all(puts);
    return packed;
  } finally {
    await Promise.allSettled(puts);
  }
}

/** What is known of a mount before its content comes. */
export interface ComingMount {
  readonly files: number;
  /** Of its content. */
  readonly sizeBytes: number;
  /** What has to come. */
  readonly blobs: readonly ChunkBlob[];
}

/**
 * Writes a mount into an empty directory; `get` brings the blobs that are wanted, a few at a time. `begin` is waited for
 * before the first. Throws `ARCHIVE_INVALID`, `DIGEST_INVALID`, and what `get` throws; the directory is then to be removed.
 */
export async function unpackMount(
  request: Omit<UnpackRequest, "kind">,
  begin: (coming: ComingMount) => Promise<void>,
  get: (blob: ChunkBlob) => Promise<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  let feed: BlobFeed | undefined;
  await inThread({ kind: "unpack", ...request }, signal, (message, thread) => {
    if (message.kind === "unpacked") return message;
    if (message.kind === "taken") feed?.taken();
    if (message.kind === "wanted") {
      feed = new BlobFeed(message.blobs, get, thread);
      begin(message).then(() => feed?.start(), thread.fail);
    }
    return undefined;
  });
}

/** Blobs in their order, some ahead of the one that is needed next. */
class BlobFeed {
  readonly #coming: ChunkBlob[];
  readonly #get: (blob: ChunkBlob) => Promise<Uint8Array>;
  readonly #thread: Thread;
  #last: Promise<void> = Promise.resolve();

  constructor(blobs: readonly ChunkBlob[], get: (blob: ChunkBlob) => Promise<Uint8Array>, thread: Thread) {
    this.#coming = [...blobs].reverse();
    this.#get = get;
    this.#thread = thread;
  }

  start(): void {
    for (let count = 0; count < IN_FLIGHT; count++) this.#next();
  }

  taken(): void {
    this.#next();
  }

  #next(): void {
    const blob = this.#coming.pop();
    if (blob === undefined) return;
    const got = this.#get(blob);
    got.catch(this.#thread.fail);
    this.#last = this.#last
      .then(async () => this.#thread.reply({ kind: "blob", bytes: await got }))
      .catch(this.#thread.fail);
  }
}

interface Thread {
  readonly reply: (message: ToThread) => void;
  /** Ends the work with an error. */
  readonly fail: (error: unknown) => void;
}

/** Runs a thread until `take` returns something for a message. */
async function inThread<T>(
  request: ThreadRequest,
  signal: AbortSignal,
  take: (message: FromThread, thread: Thread) => T | undefined,
): Promise<T> {
  signal.throwIfAborted();
  // Beside this file, as source or compiled.
  const worker = new Worker(new URL(`./mounts-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: request,
  });
  let stop: () => void = () => undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      stop = () => reject(signal.reason as Error);
      signal.addEventListener("abort", stop);
      const thread: Thread = { reply: (message) => worker.postMessage(message), fail: reject };
      worker.on("message", (message: FromThread) => {
        if (message.kind === "changed")
          reject(new BuildError("STORE", `"/${displayPath(message.path)}" in it changed while it was read`));
        else if (message.kind === "failed")
          reject(new BuildError(message.code, message.message, { hint: message.hint }));
        else {
          const result = take(message, thread);
          if (result !== undefined) resolve(result);
        }
      });
      worker.on("error", reject);
      worker.on("exit", () =>
        reject(new BuildError("INTERNAL", "the thread of a cache mount ended without an answer")),
      );
    });
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.terminate();
  }
}
