// A blob that comes from elsewhere, in a file under its digest: what came before a break, or before the process was
// killed, need not come again. The file is hashed from its start, so what was there is trusted no more than what comes.

import { mkdir, open, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { Growth } from "../core/system/growing-file.ts";
import type { GrowingFile } from "../core/system/growing-file.ts";
import type { Reservation } from "../core/space.ts";
import { flock } from "../core/system/syscall.ts";
import { HashedFile } from "./hashed-file.ts";
import type { BlobDownload } from "./store.ts";

/** How long another process may get no further before we go our own way. */
const STALL_MS = 30_000;

export interface DownloadOptions {
  readonly digest: Digest;
  readonly size: number;
  /** Where the bytes are gathered; its directory is made. */
  readonly path: string;
  /** Where they are gathered when somebody else has that file and gets no further. */
  readonly temporary: string;
  readonly place: {
    isThere(): Promise<boolean>;
    /** Moves the finished, synced file to its place. */
    appear(path: string): Promise<void>;
    /** Before bytes are written. Throws `STORE` when there is no place for them. */
    reserve(bytes: number): Promise<Reservation>;
    explained<T>(body: () => Promise<T>): Promise<T>;
  };
  readonly signal: AbortSignal;
}

/** Opens a download once nobody else has it; undefined when the blob is there by then. */
export async function openDownload(options: DownloadOptions): Promise<BlobDownload | undefined> {
  const { path, temporary, place, signal, size } = options;
  return await place.explained(async () => {
    await mkdir(dirname(path), { recursive: true });
    const held = await hold(options);
    if (held === "there") return undefined;
    const isOwn = held === "busy";
    const file = isOwn ? await openAppending(temporary) : held;
    try {
      const download = new DiskDownload(options, isOwn ? temporary : path, file, isOwn);
      const found = await file.stat();
      if (found.size > size) await file.truncate(0);
      else await download.include(found.size, signal);
      await download.reserve();
      return download;
    } catch (error) {
      await file.close();
      throw error;
    }
  });
}

/** The gathering file with its lock. "busy": another process has it and stands still. */
async function hold(options: DownloadOptions): Promise<FileHandle | "there" | "busy"> {
  const { path, place, signal } = options;
  const file = await openAppending(path);
  let isHeld = false;
  try {
    for (let [seen, since, attempt] = [-1, performance.now(), 0]; !flock(file.fd, "exclusive", { wait: false });) {
      const { size } = await file.stat();
      if (size !== seen) [seen, since] = [size, performance.now()];
      if (performance.now() - since > STALL_MS) return "busy";
      await sleep(Math.min(500, 5 * ++attempt), undefined, { signal }).catch(() => undefined);
      signal.throwIfAborted();
    }
    if (await place.isThere()) {
      if (await isSame(file, path)) await rm(path, { force: true });
      return "there";
    }
    // Whoever had it before may have failed and taken the file away.
    isHeld = await isSame(file, path);
  } finally {
    if (!isHeld) await file.close();
  }
  return isHeld ? file : await hold(options);
}

async function isSame(file: FileHandle, path: string): Promise<boolean> {
  const own = await file.stat();
  try {
    const found = await stat(path);
    return found.ino === own.ino && found.dev === own.dev;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** Reading anywhere, writing at the end. */
async function openAppending(path: string): Promise<FileHandle> {
  return await open(path, "a+", 0o644);
}

class DiskDownload implements BlobDownload {
  readonly #options: DownloadOptions;
  readonly #path: string;
  readonly #file: FileHandle;
  /** The file is ours alone: nobody will take it up. */
  readonly #isOwn: boolean;
  #content: HashedFile;
  #position = 0;
  #state: "open" | "spoiled" | "done" = "open";
  #reservation: Reservation | undefined;
  #growth: Growth | undefined;

  constructor(options: DownloadOptions, path: string, file: FileHandle, isOwn: boolean) {
    this.#options = options;
    this.#path = path;
    this.#file = file;
    this.#isOwn = isOwn;
    this.#content = this.#newContent();
  }

  get position(): number {
    return this.#position;
  }

  /** Takes in what the file holds. */
  async include(size: number, signal: AbortSignal): Promise<void> {
    await this.#content.include(size, signal);
    this.#position = size;
  }

  /** Takes the space for what is still to come. */
  async reserve(): Promise<void> {
    this.#reservation = await this.#options.place.reserve(this.#options.size - this.#position);
  }

  growing(): GrowingFile {
    if (this.#growth === undefined) {
      this.#growth = new Growth(this.#path);
      this.#growth.reach(this.#content.written);
    }
    return this.#growth.file;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#options.signal.throwIfAborted();
    try {
      await this.#options.place.explained(() => this.#content.write(chunk));
    } catch (error) {
      // A disk that is full gets its space back.
      this.#state = "spoiled";
      throw error;
    }
    this.#position += chunk.length;
  }

  async restart(): Promise<void> {
    this.#growth?.break();
    this.#growth = undefined;
    await this.#content.settle();
    await this.#options.place.explained(() => this.#file.truncate(0));
    this.#content = this.#newContent();
    this.#position = 0;
  }

  async commit(): Promise<void> {
    const { digest, size, place, signal } = this.#options;
    const found = await place.explained(() => this.#content.end());
    if (found.digest !== digest || found.size !== size) {
      await this.restart();
      throw new BuildError(
        "DIGEST_INVALID",
        found.size === size
          ? `blob ${digest} was expected, ${found.digest} came`
          : `a blob of ${size} bytes was expected, ${found.size} came (${digest})`,
      );
    }
    signal.throwIfAborted();
    await place.explained(() => this.#file.datasync());
    await place.appear(this.#path);
    this.#state = "done";
    this.#growth?.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#growth?.break();
    const isKept = this.#state === "open" && !this.#isOwn && this.#position > 0;
    // What is lost here comes again.
    if (isKept) await this.#content.flush().catch(() => undefined);
    else await this.#content.settle();
    // Before the lock goes, with the file: whoever waits for it finds the file or does not.
    if (this.#state !== "done" && !isKept) await rm(this.#path, { force: true });
    this.#reservation?.[Symbol.dispose]();
    await this.#file.close();
  }

  #newContent(): HashedFile {
    return new HashedFile(this.#file, (bytes) => this.#growth?.reach(bytes));
  }
}
