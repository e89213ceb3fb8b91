// Parser directives: "# name=value" comments at the very top (escape, syntax, check).

import { trimStart } from "./space.ts";

/** One directive line. */
export interface Directive {
  readonly name: string;
  readonly value: string;
}

const KNOWN = new Set(["syntax", "escape", "check"]);
const NAME = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=([\t\n\f\r ]*)/;

/** Reads lines one after another, until the first that is no directive; from then on none is. */
export class DirectiveReader {
  readonly #comment: string;
  readonly #seen = new Set<string>();
  #isDone = false;

  constructor(comment: "#" | "//" | "") {
    this.#comment = comment;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** The directive in a line (without its line ending), if it is one. Throws a plain Error for a second of its kind. */
  read(line: string): Directive | undefined {
    if (this.#isDone) return undefined;
    const directive = line.startsWith(this.#comment) ? parseDirective(line.slice(this.#comment.length)) : undefined;
    if (directive === undefined) {
      this.#isDone = true;
      return undefined;
    }
    if (this.#seen.has(directive.name)) throw new Error(`only one ${directive.name} parser directive can be used`);
    this.#seen.add(directive.name);
    return directive;
  }
}

/** The value of `# name=` up to its first space, found as BuildKit finds it: behind a byte order mark and a "#!" line. */
export function findDirective(name: "syntax" | "check", text: string): string | undefined {
  return find(name, withoutShebang(text), "#");
}

/** The frontend the file asks for: `# syntax=`, `// syntax=`, or a JSON object with that key. */
export function findSyntax(text: string): string | undefined {
  const body = withoutShebang(text);
  return find("syntax", body, "#") ?? find("syntax", body, "//") ?? findInJson(body);
}

function find(name: string, text: string, comment: "#" | "//"): string | undefined {
  const reader = new DirectiveReader(comment);
  for (const line of linesOf(text)) {
    const directive = readQuietly(reader, line);
    if (directive === undefined) return undefined;
    if (directive.name === name) return directive.value.split(" ", 1)[0];
  }
  return undefined;
}

function readQuietly(reader: DirectiveReader, line: string): Directive | undefined {
  try {
    return reader.read(line);
  } catch {
    return undefined;
  }
}

function* linesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    yield text.slice(at, end).replace(/\r$/, "");
    at = end + 1;
  }
}

function withoutShebang(text: string): string {
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (!body.startsWith("#!")) return body;
  const newline = body.indexOf("\n");
  return newline < 0 ? "" : body.slice(newline + 1);
}

function findInJson(text: string): string | undefined {
  if (!/^[\t\n\r ]*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("syntax" in value)) return undefined;
    return typeof value.syntax === "string" ? value.syntax : undefined;
  } catch {
    return undefined;
  }
}

function parseDirective(comment: string): Directive | undefined {
  const text = trimStart(comment);
  const match = NAME.exec(text);
  if (match === null) return undefined;
  const name = (match[1] ?? "").toLowerCase();
  const blanks = match[2] ?? "";
  // A value of nothing but blanks is its last blank, as in BuildKit's expression.
  const value = trimBlanksAtEnd(text.slice(match[0].length)) || blanks.slice(-1);
  return value === "" || !KNOWN.has(name) ? undefined : { name, value };
}

function trimBlanksAtEnd(text: string): string {
  let end = text.length;
  while (end > 0 && "\t\n\f\r ".includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
