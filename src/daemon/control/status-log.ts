// What happened in a build, for any number of readers at their own pace. It lies in a file without a name, so a reader
// that stops reading costs nothing, and nothing of it outlives this process but what is copied. Its form is that of
// BuildKit's (solver/llbsolver/history, ImportStatus): the length of a message in four bytes, the lowest first, and it.

import { closeSync, fstatSync, mkdirSync, openSync, read, unlinkSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { BuildEvent } from "../../../builder/core/events.ts";
import { writeAll } from "../../../builder/core/system/write-all.ts";
import { StatusResponse } from "../../api/proto/control.ts";
import { statusMessages } from "./status-messages.ts";

const readAt = promisify(read);
/** Events of so many ms become one message. */
const PAUSE_MS = 50;
const MOST_PENDING_BYTES = 512 << 10;
const LENGTH_BYTES = 4;
/** Read in one go: thousands of small messages must not take a turn of the event loop each. */
const LOT_BYTES = 64 << 10;
/** Whoever reads nothing for so long, in ms, is not waited for. */
const PATIENCE_MS = 3000;

/** Who may wait for a reader with `wasRead`, and when what it was given is on its way. */
export interface ReaderOf {
  readonly owner: unknown;
  readonly closed: Promise<void>;
}

/** One who reads: how far it is, and to which connection it belongs, where that is of interest. */
interface Reader {
  readonly owner: unknown;
  at: number;
}

export class StatusLog {
  readonly #fd: number;
  #pending: BuildEvent[] = [];
  #pendingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #size = 0;
  #isEnded = false;
  #isForgotten = false;
  #copies = 0;
  readonly #readers = new Set<Reader>();
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
    this.#copies++;
    try {
      await copyFile(`/proc/self/fd/${this.#fd}`, path);
    } finally {
      this.#copies--;
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
    for await (const lot of this.lots(signal)) yield* lot;
  }

  /** The same, as many at a time as there are. */
  async *lots(signal: AbortSignal, whose?: ReaderOf): AsyncGenerator<readonly Uint8Array[], void, void> {
    const reader: Reader = { owner: whose?.owner, at: 0 };
    this.#readers.add(reader);
    const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    try {
      while (!signal.aborted) {
        while (reader.at < this.#size && !signal.aborted) {
          const { messages, bytes } = await this.#lotAt(reader.at);
          yield messages;
          reader.at += bytes;
        }
        if (this.#isEnded && reader.at >= this.#size) return;
        if (reader.at >= this.#size) await Promise.race([this.#wake.promise, stopped]);
      }
    } finally {
      const leave = (): void => {
        this.#readers.delete(reader);
        this.#notify();
        this.#closeIfUnused();
      };
      // Who has the last of it in hand has not sent it yet.
      if (whose === undefined) leave();
      else void whose.closed.then(leave);
    }
  }

  /** After the end: waits until an owner's readers have read all, or read no further, or `signal` is aborted. */
  async wasRead(owner: unknown, signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    for (let isStuck = false; !isStuck && !signal.aborted;) {
      const reading = [...this.#readers]
        .filter((reader) => reader.owner === owner)
        .map((reader) => ({ ...reader, reader }));
      if (reading.length === 0) return;
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(() => {
        isStuck = reading.some(({ reader, at }) => this.#readers.has(reader) && reader.at === at);
        resolve();
      }, PATIENCE_MS);
      await Promise.race([this.#wake.promise, late, stopped]);
      clearTimeout(timer);
    }
  }

  /** The messages that lie together from a place on, one of them at least. */
  async #lotAt(at: number): Promise<{ readonly messages: readonly Uint8Array[]; readonly bytes: number }> {
    const bytes = await this.#bytes(at, Math.min(this.#size - at, LOT_BYTES));
    const messages: Uint8Array[] = [];
    let end = 0;
    while (end + LENGTH_BYTES <= bytes.length) {
      const next = end + LENGTH_BYTES + bytes.readUInt32LE(end);
      if (next > bytes.length) break;
      messages.push(bytes.subarray(end + LENGTH_BYTES, next));
      end = next;
    }
    if (messages.length > 0) return { messages, bytes: end };
    const length = bytes.readUInt32LE(0);
    return { messages: [await this.#bytes(at + LENGTH_BYTES, length)], bytes: LENGTH_BYTES + length };
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
    if (!this.#isForgotten || this.#copies > 0 || this.#readers.size > 0) return;
    this.#isForgotten = false;
    closeSync(this.#fd);
  }
}
