// Stage 1: text → raw nodes, one an instruction, by BuildKit's line rules: what a comment is, what continues
// a line, where a here-document ends.

import type { BuildError } from "../core/errors.ts";
import { DirectiveReader } from "./directives.ts";
import { Faults } from "./faults.ts";
import { takeApart } from "./forms.ts";
import { heredocsOf } from "./heredoc.ts";
import type { Heredoc } from "./instruction.ts";
import { LineReader } from "./lines.ts";
import { wordHint } from "./locate.ts";
import { isSpace, trimSpace, trimStart } from "./space.ts";

/** An instruction, taken apart but not yet understood. */
export interface RawNode {
  /** As written: "FROM", "from". */
  readonly keyword: string;
  /** "--name=value", quotes and escapes resolved. */
  readonly flags: readonly string[];
  /** ENV and LABEL: name, value, "=" or "" for each pair. Empty for ONBUILD. */
  readonly args: readonly string[];
  /** The arguments were a JSON array. */
  readonly json: boolean;
  /** Content as it stands in the file, tabs included. */
  readonly heredocs: readonly Heredoc[];
  /** The line with its continuations joined. */
  readonly original: string;
  readonly comments: readonly string[];
  readonly startLine: number;
  readonly endLine: number;
  /** ONBUILD: the instruction in it. */
  readonly sub?: RawNode;
}

export interface RawFile {
  readonly text: string;
  readonly escape: "\\" | "`";
  readonly nodes: readonly RawNode[];
  /** Last lines of instructions that hold an empty continuation line. */
  readonly emptyContinuations: readonly number[];
  /** What could not be taken apart; these instructions are not among the nodes. */
  readonly faults: Faults;
}

/** Takes a Dockerfile apart. Throws `DOCKERFILE` for a file that holds nothing, or mistakes only. */
export function parse(bytes: Uint8Array, fileName: string): RawFile {
  return new Parser(new LineReader(bytes, fileName)).run();
}

class Parser {
  readonly #reader: LineReader;
  readonly #directives = new DirectiveReader("#");
  readonly #nodes: RawNode[] = [];
  readonly #emptyContinuations: number[] = [];
  readonly #faults = new Faults();
  #escape: "\\" | "`" = "\\";
  #comments: string[] = [];

  constructor(reader: LineReader) {
    this.#reader = reader;
  }

  run(): RawFile {
    this.#faults.attempt(() => {
      for (let line = this.#reader.next(); line !== undefined; line = this.#reader.next()) this.#instruction(line);
    });
    if (this.#nodes.length === 0) {
      this.#faults.throwIfAny();
      throw this.#reader.error("file with no instructions", this.#reader.line);
    }
    return {
      text: this.#reader.text,
      escape: this.#escape,
      nodes: this.#nodes,
      emptyContinuations: this.#emptyContinuations,
      faults: this.#faults,
    };
  }

  /** Reads what begins in this line: a comment, nothing, or an instruction with all its lines. */
  #instruction(first: string): void {
    if (isComment(first)) {
      const comment = trimSpace(first.slice(1));
      if (comment === "") this.#comments = [];
      else this.#comments.push(comment);
    }
    const line = trimStart(withoutEnding(first));
    this.#directive(line);
    if (line === "" || line.startsWith("#")) return;
    this.#reader.requireUtf8();
    const startLine = this.#reader.line;
    const joined = this.#joinContinuations(line);
    const node = this.#node(joined, startLine);
    if (node === undefined) return;
    const heredocs = mayHoldHeredoc(node) && joined.includes("<<") ? this.#heredocs(joined, startLine) : [];
    this.#nodes.push({ ...node, comments: this.#comments, heredocs, startLine, endLine: this.#reader.line });
    this.#comments = [];
  }

  #directive(line: string): void {
    if (this.#directives.isDone) return;
    const directive = this.#at(this.#reader.line, () => this.#directives.read(line));
    if (directive === undefined) return;
    this.#comments.pop();
    if (directive.name !== "escape") return;
    const value = directive.value;
    if (value !== "\\" && value !== "`") {
      throw this.#reader.error(`invalid escape token '${value}' does not match \` or \\`, this.#reader.line);
    }
    this.#escape = value;
  }

  #joinContinuations(first: string): string {
    let part = cutContinuation(first, this.#escape);
    const parts = [part.text];
    let hasEmptyLine = false;
    while (part.continues) {
      const next = this.#reader.next();
      if (next === undefined) break;
      const content = firstContent(next);
      if (content === "#") continue;
      if (content === "") {
        hasEmptyLine = true;
        continue;
      }
      this.#reader.requireUtf8();
      part = cutContinuation(withoutEnding(next), this.#escape);
      parts.push(part.text);
    }
    if (hasEmptyLine) this.#emptyContinuations.push(this.#reader.line);
    return parts.join("");
  }

  /** Undefined for a mistake behind which the file can be read on. What may have begun a here-document is none of these. */
  #node(line: string, startLine: number): RawNode | undefined {
    const read = (): RawNode => this.#at(startLine, () => nodeOf(line, this.#escape));
    return line.includes("<<") ? read() : this.#faults.attempt(read);
  }

  #heredocs(line: string, startLine: number): Heredoc[] {
    const starts = this.#at(startLine, () => heredocsOf(line));
    return starts.map((start) => {
      const content: string[] = [];
      for (;;) {
        const next = this.#reader.next();
        if (next === undefined) {
          const hint = `no line holds only "${start.name}", which would end the here-document`;
          throw this.#reader.error("unterminated heredoc", startLine, hint);
        }
        const text = withoutEnding(next);
        if ((start.chomp ? text.replace(/^\t+/, "") : text) === start.name) break;
        this.#reader.requireUtf8();
        content.push(next);
      }
      return { ...start, content: content.join("") };
    });
  }

  /** Gives a plain error its place. */
  #at<T>(startLine: number, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#placed(error, startLine);
    }
  }

  #placed(error: unknown, startLine: number): BuildError {
    const range = { startLine, endLine: this.#reader.line };
    const hint = wordHint(error, this.#reader.text, this.#escape, range);
    return this.#reader.error(error instanceof Error ? error.message : String(error), startLine, hint);
  }
}

/** A node without what only the file knows: comments, lines, here-documents. */
function nodeOf(line: string, escape: string): RawNode {
  const { trigger, ...pieces } = takeApart(line, escape);
  const node = { ...pieces, heredocs: [], original: line, comments: [], startLine: 0, endLine: 0 };
  if (trigger === undefined) return node;
  // ONBUILD in ONBUILD is refused later: it need not be taken apart, and a long chain would exhaust the stack.
  const inner = takeApart(trigger, escape);
  return { ...node, sub: { ...inner, heredocs: [], original: trigger, comments: [], startLine: 0, endLine: 0 } };
}

function mayHoldHeredoc(node: RawNode): boolean {
  const inner = node.sub ?? node;
  return !inner.json && ["add", "copy", "run"].includes(inner.keyword.toLowerCase());
}

/** A line without its continuation character, and whether it had one: the last visible one, not escaped itself. */
function cutContinuation(line: string, escape: string): { readonly text: string; readonly continues: boolean } {
  let end = line.length;
  while (end > 0 && (line.charAt(end - 1) === " " || line.charAt(end - 1) === "\t")) end--;
  if (end === 0 || line.charAt(end - 1) !== escape || (end > 1 && line.charAt(end - 2) === escape)) {
    return { text: line, continues: false };
  }
  return { text: line.slice(0, end - 1), continues: true };
}

function isComment(line: string): boolean {
  return firstContent(line) === "#";
}

/** The first character that is not white space; "" if there is none. */
function firstContent(line: string): string {
  let at = 0;
  while (at < line.length && isSpace(line.charAt(at))) at++;
  return line.charAt(at);
}

function withoutEnding(line: string): string {
  let end = line.length;
  while (end > 0 && (line.charAt(end - 1) === "\n" || line.charAt(end - 1) === "\r")) end--;
  return line.slice(0, end);
}
