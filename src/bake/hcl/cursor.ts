// A place in a text, and the small steps that reading HCL is made of.

import type { BuildError } from "../../../builder/core/errors.ts";
import type { Place, SourceFile } from "./source.ts";
import { faultAt } from "./source.ts";

const IDENTIFIER = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy;
const NUMBER = /\d+(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /(?:[ \t\r\uFEFF]|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const SPACE_AND_NEWLINES = /(?:\s|\uFEFF|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;

export class Cursor {
  readonly file: SourceFile;
  at: number;
  readonly end: number;
  /** How many brackets are open in which a line's end means nothing. */
  #within = 0;

  constructor(file: SourceFile, at = 0, end = file.text.length) {
    this.file = file;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  /** Skips blanks and comments, and line ends inside brackets. */
  skip(): void {
    this.#match(this.#within > 0 ? SPACE_AND_NEWLINES : SPACE);
  }

  /** Skips line ends too. */
  skipLines(): void {
    this.#match(SPACE_AND_NEWLINES);
  }

  /** Reads what stands between brackets, where line ends mean nothing; or, with `lines`, something again. */
  within<T>(read: () => T, lines: "ignored" | "kept" = "ignored"): T {
    const before = this.#within;
    this.#within = lines === "ignored" ? before + 1 : 0;
    try {
      return read();
    } finally {
      this.#within = before;
    }
  }

  looksAt(text: string): boolean {
    return this.file.text.startsWith(text, this.at) && this.at + text.length <= this.end;
  }

  /** Takes the text when it is the next one after blanks. */
  take(text: string): boolean {
    this.skip();
    if (!this.looksAt(text)) return false;
    this.at += text.length;
    return true;
  }

  expect(text: string, what: string): void {
    if (!this.take(text)) throw this.fault(`expected "${text}" ${what}, not ${this.next()}`);
  }

  identifier(): string | undefined {
    this.skip();
    return this.#match(IDENTIFIER);
  }

  /** The identifier that comes next, without taking it. */
  peekIdentifier(): string | undefined {
    const { at } = this;
    const name = this.identifier();
    this.at = at;
    return name;
  }

  number(): string | undefined {
    this.skip();
    return this.#match(NUMBER);
  }

  place(start: number, end = this.at): Place {
    return { file: this.file, start, end };
  }

  fault(message: string, start = this.at): BuildError {
    return faultAt(this.place(start, Math.max(start + 1, this.at)), message);
  }

  /** What comes next, for a message. */
  next(): string {
    if (this.isAtEnd) return "the end";
    const char = this.file.text[this.at] ?? "";
    return char === "\n" ? "the end of the line" : `"${this.#match(IDENTIFIER) ?? char}"`;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const [text] = pattern.exec(this.file.text) ?? [];
    if (text === undefined || text === "" || this.at + text.length > this.end) return undefined;
    this.at += text.length;
    return text;
  }
}
