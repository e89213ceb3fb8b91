// A Dockerfile's bytes as lines. BuildKit reads bytes: it takes any in comments, and lines of at most 65535.

import { isUtf8 } from "node:buffer";
import { BuildError } from "../core/errors.ts";

const MAX_LINE_BYTES = 65535;
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Reads physical lines in order, each with its line ending. */
export class LineReader {
  readonly text: string;
  readonly fileName: string;
  /** The number of the line read last; 0 before the first. */
  line = 0;
  readonly #brokenLines: ReadonlySet<number>;
  #at = 0;

  constructor(bytes: Uint8Array, fileName: string) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.fileName = fileName;
    if (buffer.length > MAX_FILE_BYTES) {
      this.text = "";
      this.#brokenLines = new Set();
      throw new BuildError("DOCKERFILE", `"${fileName}" is larger than ${MAX_FILE_BYTES} bytes`, {
        hint: "COPY large content from the build context instead",
      });
    }
    this.text = buffer.toString("utf8");
    this.#brokenLines = isUtf8(buffer) ? new Set() : brokenLines(buffer);
  }

  /** The next line; undefined at the end. Throws for a line that is too long. */
  next(): string | undefined {
    if (this.#at >= this.text.length) return undefined;
    const newline = this.text.indexOf("\n", this.#at);
    const end = newline < 0 ? this.text.length : newline + 1;
    const line = this.text.slice(this.#at, end);
    this.#at = end;
    this.line++;
    const content = newline < 0 ? line : line.slice(0, -1);
    if (content.length * 3 > MAX_LINE_BYTES && Buffer.byteLength(content) > MAX_LINE_BYTES) {
      throw this.error(`dockerfile line greater than max allowed size of ${MAX_LINE_BYTES}`, this.line);
    }
    return this.line === 1 && line.startsWith("\ufeff") ? line.slice(1) : line;
  }

  /** Refuses the line read last if it is not UTF-8. Comments are never asked. */
  requireUtf8(): void {
    if (!this.#brokenLines.has(this.line)) return;
    throw this.error("line is not valid UTF-8", this.line, "save the file as UTF-8");
  }

  /** An error in the lines from `startLine` to the one read last. */
  error(message: string, startLine: number, hint?: string): BuildError {
    const range = { startLine: Math.max(1, startLine), endLine: Math.max(1, startLine, this.line) };
    return new BuildError("DOCKERFILE", message, {
      location: { file: this.fileName, range, text: this.text },
      hint,
    });
  }
}

function brokenLines(buffer: Buffer): Set<number> {
  const broken = new Set<number>();
  let start = 0;
  for (let line = 1; start < buffer.length; line++) {
    const newline = buffer.indexOf(10, start);
    const end = newline < 0 ? buffer.length : newline + 1;
    if (!isUtf8(buffer.subarray(start, end))) broken.add(line);
    start = end;
  }
  return broken;
}
