// Output of a RUN comes in chunks cut anywhere, on two streams. Views want lines with the time they began.

import { StringDecoder } from "node:string_decoder";

export interface LogLine {
  /** Without its line feed, and without the carriage return before that. Escape sequences are still in it. */
  readonly text: string;
  /** When its first byte came, ms since the epoch. */
  readonly time: number;
}

/** A line longer than this is given out in pieces, so that a program that never ends its line costs no memory. */
const LONGEST_LINE = 64 * 1024;

/** Cuts one step's output into lines, each stream for itself; bytes that are not UTF-8 become U+FFFD. */
export class LogLines {
  readonly #streams = new Map<1 | 2, OpenLine>();

  /** The lines that this chunk completes. */
  push(stream: 1 | 2, data: Uint8Array, time: number): LogLine[] {
    let open = this.#streams.get(stream);
    if (open === undefined) {
      open = { decoder: new StringDecoder("utf8"), text: "", time };
      this.#streams.set(stream, open);
    }
    const pieces = open.decoder.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength)).split("\n");
    const rest = pieces.pop() ?? "";
    const lines: LogLine[] = [];
    for (const piece of pieces) {
      lines.push(lineOf(open, piece, time));
      open.text = "";
    }
    if (open.text === "") open.time = time;
    open.text += rest;
    if (open.text.length > LONGEST_LINE) {
      lines.push(lineOf(open, "", time));
      open.text = "";
    }
    return lines;
  }

  /** What has come of lines that have not ended: prompts, progress bars. */
  partial(): LogLine[] {
    return [...this.#streams.values()].filter((open) => open.text !== "").map(({ text, time }) => ({ text, time }));
  }

  /** Ends the output: lines without a line feed are lines too. */
  end(): LogLine[] {
    const lines: LogLine[] = [];
    for (const open of this.#streams.values()) {
      open.text += open.decoder.end();
      if (open.text !== "") lines.push(lineOf(open, "", open.time));
    }
    this.#streams.clear();
    return lines;
  }
}

interface OpenLine {
  readonly decoder: StringDecoder;
  text: string;
  time: number;
}

function lineOf(open: OpenLine, piece: string, now: number): LogLine {
  return { text: (open.text + piece).replace(/\r+$/, ""), time: open.text === "" ? now : open.time };
}
