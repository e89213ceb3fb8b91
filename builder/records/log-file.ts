// What the steps of a build printed, whole and as it came: `<id>.log` beside its record. A line a chunk,
// `[step, stream, ms since the epoch, bytes as Latin-1]`, so that it can be read with any JSON parser and gives back
// every byte.

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { isErrno } from "../core/errors.ts";

/** One chunk of output. */
export interface LogChunk {
  /** Its place among the steps of the record's timeline. */
  readonly step: number;
  readonly stream: 1 | 2;
  readonly time: number;
  readonly data: Uint8Array;
}

/** One build keeps so much of its output; what a program prints beyond that would fill a disk. */
const MOST_LOG_BYTES = 256 * 1024 * 1024;
const WRITE_BYTES = 64 * 1024;

/** Writes chunks to a file that is made with the first of them. Never throws: a build does not fail for its log. */
export class LogWriter {
  readonly #path: string;
  #file: number | undefined;
  #waiting = "";
  #bytes = 0;
  /** Why not all of it is there. */
  lack: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  push({ step, stream, time, data }: LogChunk): void {
    if (this.lack !== undefined) return;
    this.#bytes += data.byteLength;
    if (this.#bytes > MOST_LOG_BYTES) {
      this.lack = `output after the first ${MOST_LOG_BYTES / 1024 / 1024} MiB was not kept`;
      return;
    }
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
    this.#waiting += `${JSON.stringify([step, stream, time, text])}\n`;
    if (this.#waiting.length >= WRITE_BYTES) this.#flush();
  }

  /** Writes what is left; the path of the file, undefined when nothing was printed. */
  close(): string | undefined {
    if (this.#waiting !== "") this.#flush();
    if (this.#file === undefined) return undefined;
    closeSync(this.#file);
    this.#file = undefined;
    return this.#path;
  }

  #flush(): void {
    try {
      this.#file ??= openSync(this.#path, "wx", 0o600);
      writeSync(this.#file, this.#waiting);
    } catch (error) {
      this.lack = `output could not be written: ${error instanceof Error ? error.message : String(error)}`;
    }
    this.#waiting = "";
  }
}

/** The chunks of a file, in order; none when it is not there. A line that is damaged is left out. */
export function* readLog(path: string): Generator<LogChunk> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  try {
    const decoder = new StringDecoder("utf8");
    const buffer = Buffer.alloc(WRITE_BYTES * 4);
    let rest = "";
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      const lines = (rest + decoder.write(buffer.subarray(0, length))).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const chunk = chunkOf(line);
        if (chunk !== undefined) yield chunk;
      }
    }
  } finally {
    closeSync(file);
  }
}

function chunkOf(line: string): LogChunk | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  const [step, stream, time, text] = fields as readonly unknown[]; // looked at one by one
  if (typeof step !== "number" || typeof time !== "number" || typeof text !== "string") return undefined;
  return { step, stream: stream === 2 ? 2 : 1, time, data: Buffer.from(text, "latin1") };
}
