// What happened in a build, for any number of readers at their own pace. It lies in a file without a name, so a reader
// that stops reading costs nothing, and nothing of it outlives this process but what is copied. Its form is that of
// BuildKit's (solver/llbsolver/history, ImportStatus): the length of a message in four bytes, the lowest first, and it.

import { closeSync, fstatSync, mkdirSync, openSync, read, unlinkSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { BuildEvent } from "../../../builder/core/events.ts";
import { writeAll } from "../../../builder/core/write-all.ts";
import { StatusResponse } from "../../api/proto/control.ts";
import { statusMessages } from "./status-messages.ts";

const readAt = promisify(read);
/** Events of so many ms become one message. */
const PAUSE_MS = 50;
const MOST_PENDING_BYTES = 512 << 10;
const LENGTH_BYTES = 4;

export class StatusLog {
  readonly #fd: number;
  #pending: BuildEvent[] = [];
  #pendingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #size = 0;
  #isEnded = false;
  #isForgotten = false;
  #readers = 0;
  #wake = Promise.withResolvers<void>();

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** `path` is a new name on the store's file system. Throws what the operating system says. */
  static begin(path: string): StatusLog {
    mkdirSync(dirname(path), { recursive: true });
    const log = new StatusLog(openSync(path, "wx+", 0o600));
    unlinkSync(path);
    return log;
  }

  /** The log of a build that ended, as `copyTo` has written it. Throws what the operating system says. */
  static kept(path: string): StatusLog {
    const log = new StatusLog(openSync(path, "r"));
    log.#size = fstatSync(log.#fd).size;
    log.#isEnded = true;
    return log;
  }

  /** Writes all of it to a file. Throws what the operating system says. */
  async copyTo(path: string): Promise<void> {
    this.#readers++;
    try {
      await copyFile(`/proc/self/fd/${this.#fd}`, path);
    } finally {
      this.#readers--;
      this.#closeIfUnused();
    }
  }

  /** Takes an event; what comes after the end is dropped. */
  add(event: BuildEvent): void {
    if (this.#isEnded) return;
    this.#pending.push(event);
    if (event.kind === "log") this.#pendingBytes += event.data.length;
    if (this.#pendingBytes > MOST_PENDING_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), PAUSE_MS);
  }

  /** Nothing more will happen: readers come to their end. */
  end(): void {
    this.#flush();
    this.#isEnded = true;
    this.#notify();
  }

  /** Nobody will ask for it any more; readers that are reading still may. */
  forget(): void {
    if (!this.#isEnded) this.end();
    this.#isForgotten = true;
    this.#closeIfUnused();
  }

  /** The messages from the beginning to the end, waited for. */
  async *messages(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    this.#readers++;
    const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    try {
      for (let at = 0; !signal.aborted;) {
        while (at < this.#size && !signal.aborted) {
          const length = (await this.#bytes(at, LENGTH_BYTES)).readUInt32LE(0);
          yield await this.#bytes(at + LENGTH_BYTES, length);
          at += LENGTH_BYTES + length;
        }
        if (this.#isEnded && at >= this.#size) return;
        if (at >= this.#size) await Promise.race([this.#wake.promise, stopped]);
      }
    } finally {
      this.#readers--;
      this.#closeIfUnused();
    }
  }

  async #bytes(at: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    for (let got = 0; got < length;) {
      const { bytesRead } = await readAt(this.#fd, buffer, got, length - got, at + got);
      if (bytesRead === 0) throw new Error("the log of a build is shorter than it was");
      got += bytesRead;
    }
    return buffer;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#pending;
    [this.#pending, this.#pendingBytes] = [[], 0];
    for (const message of statusMessages(events, Date.now())) this.#write(StatusResponse.encode(message));
    if (events.length > 0) this.#notify();
  }

  #write(message: Uint8Array): void {
    const record = Buffer.alloc(LENGTH_BYTES + message.length);
    record.writeUInt32LE(message.length, 0);
    record.set(message, LENGTH_BYTES);
    try {
      writeAll(this.#fd, record, this.#size);
      this.#size += record.length;
    } catch {
      // The disk is full: whoever writes what matters says so. A log with a hole is better than no build.
    }
  }

  #notify(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }

  #closeIfUnused(): void {
    if (!this.#isForgotten || this.#readers > 0) return;
    this.#isForgotten = false;
    closeSync(this.#fd);
  }
}
