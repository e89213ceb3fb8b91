// Ignore patterns with wildcards as expressions. moby/patternmatcher makes a regular expression of a pattern
// and leaves some of its characters to Go's regexp: "|", "{2}" and "\d" mean there what they mean in any
// expression. So the same text is made here, and read as Go would read it.

import { BadPattern } from "./glob.ts";

/** Compiles a pattern that has wildcards into a test of whole paths. Throws BadPattern. */
export function compileExpression(pattern: string): (path: string) => boolean {
  const expression = new ExpressionReader(goExpression(pattern));
  const { source, steps, stars } = expression.read();
  // Backtracking over many stars takes time without bound; following all positions at once does not.
  if (steps !== undefined && stars > MAX_BACKTRACKING_STARS) return (path) => follow(steps, path);
  const compiled = compileSource(source);
  return (path) => compiled.test(path);
}

const MAX_BACKTRACKING_STARS = 3;

/** The text that moby/patternmatcher gives to Go's regexp. */
function goExpression(pattern: string): string {
  const chars = Array.from(pattern.startsWith("\ufeff") ? pattern.slice(1) : pattern);
  let out = "^";
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? "";
    if (char === "*" && chars[at + 1] === "*") {
      at++;
      if (chars[at + 1] === "/") at++;
      out += at + 1 === chars.length ? ".*" : "(.*/)?";
    } else if (char === "*") out += "[^/]*";
    else if (char === "?") out += "[^/]";
    else if (".+()$".includes(char)) out += `\\${char}`;
    else if (char === "\\") out += `\\${chars[++at] ?? ""}`;
    else out += char;
  }
  return `${out}$`;
}

/** One character to match, perhaps many times; or a leap over the steps of a group that may be left out. */
type Step = { readonly test: RegExp; readonly isRepeated: boolean } | { readonly leap: number };

interface Expression {
  readonly source: string;
  /** Undefined where the expression has more than characters, stars and an optional group. */
  readonly steps: Step[] | undefined;
  readonly stars: number;
}

/** Reads the subset of Go's syntax that patterns can produce, and writes it in JavaScript's. */
class ExpressionReader {
  readonly #chars: readonly string[];
  #at = 1;
  #source = "^";
  #stars = 0;
  #isSimple = true;
  readonly #steps: Step[] = [];

  constructor(text: string) {
    this.#chars = Array.from(text);
  }

  read(): Expression {
    const end = this.#chars.length - 1;
    while (this.#at < end) this.#readOne();
    return { source: `${this.#source}$`, steps: this.#isSimple ? this.#steps : undefined, stars: this.#stars };
  }

  #readOne(): void {
    const char = this.#chars[this.#at++] ?? "";
    switch (char) {
      case "(":
        // Only "(.*/)?" comes with its parenthesis unescaped.
        this.#at += 5;
        this.#source += "(?:[^\\n]*/)?";
        this.#stars++;
        this.#steps.push(
          { leap: 3 },
          { test: single("[^\\n]"), isRepeated: true },
          { test: single("\\/"), isRepeated: false },
        );
        return;
      case ".":
        return this.#push("[^\\n]");
      case "[":
        return this.#push(this.#readClass());
      case "\\":
        return this.#readEscape();
      case "|":
      case "^":
        this.#isSimple = false;
        this.#source += char;
        return;
      case "{":
        return this.#readRepeat();
      default:
        return this.#push(literal(char));
    }
  }

  #push(source: string): void {
    const isRepeated = this.#chars[this.#at] === "*";
    if (isRepeated) {
      this.#at++;
      this.#stars++;
    }
    this.#source += isRepeated ? `${source}*` : source;
    this.#steps.push({ test: single(source), isRepeated });
  }

  #readEscape(): void {
    const char = this.#chars[this.#at++] ?? "";
    const assertion = ASSERTIONS.get(char);
    if (assertion === undefined) return this.#push(escaped(char));
    this.#isSimple = false;
    this.#source += assertion;
  }

  /** `{2}`, `{2,}`, `{2,3}`; anything else is a literal brace. */
  #readRepeat(): void {
    const rest = this.#chars.slice(this.#at, this.#at + 12).join("");
    const repeat = /^\d{1,4}(?:,\d{0,4})?\}/.exec(rest)?.[0];
    if (repeat === undefined) return this.#push(literal("{"));
    if (repeat.split(/\D/).some((count) => Number(count) > 1000)) throw new BadPattern();
    this.#at += repeat.length;
    this.#isSimple = false;
    this.#source += `{${repeat}`;
  }

  #readClass(): string {
    const isNegated = this.#chars[this.#at] === "^";
    if (isNegated) this.#at++;
    let items = "";
    for (let isFirst = true; isFirst || this.#chars[this.#at] !== "]"; isFirst = false) {
      if (this.#at >= this.#chars.length) throw new BadPattern();
      items += this.#readPosixClass() ?? this.#readRange();
    }
    this.#at++;
    return `[${isNegated ? "^" : ""}${items}]`;
  }

  #readPosixClass(): string | undefined {
    const match = /^\[:(\^?)([a-z]+):\]/.exec(this.#chars.slice(this.#at, this.#at + 12).join(""));
    if (match === null) return undefined;
    const members = POSIX.get(match[2] ?? "");
    if (members === undefined || match[1] === "^") throw new BadPattern();
    this.#at += match[0].length;
    return members;
  }

  #readRange(): string {
    const low = this.#readClassChar();
    if (this.#chars[this.#at] !== "-" || this.#chars[this.#at + 1] === "]") return low;
    this.#at++;
    return `${low}-${this.#readClassChar()}`;
  }

  #readClassChar(): string {
    const char = this.#chars[this.#at++] ?? "";
    return char === "\\" ? escaped(this.#chars[this.#at++] ?? "") : literal(char);
  }
}

/** `\A`, `\z`, `\b`, `\B`. */
const ASSERTIONS: ReadonlyMap<string, string> = new Map([
  ["A", "^"],
  ["z", "$"],
  ["b", "\\b"],
  ["B", "\\B"],
]);

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["a", "\\x07"],
  ["f", "\\f"],
  ["n", "\\n"],
  ["r", "\\r"],
  ["t", "\\t"],
  ["v", "\\v"],
  ["d", "\\d"],
  ["D", "\\D"],
  ["w", "\\w"],
  ["W", "\\W"],
]);

const POSIX: ReadonlyMap<string, string> = new Map([
  ["alnum", "0-9A-Za-z"],
  ["alpha", "A-Za-z"],
  ["ascii", "\\x00-\\x7f"],
  ["blank", "\\t "],
  ["cntrl", "\\x00-\\x1f\\x7f"],
  ["digit", "0-9"],
  ["graph", "!-~"],
  ["lower", "a-z"],
  ["print", " -~"],
  ["punct", "!-\\/:-@\\[-`\\{-~"],
  ["space", "\\t\\n\\v\\f\\r "],
  ["upper", "A-Z"],
  ["word", "0-9A-Za-z_"],
  ["xdigit", "0-9A-Fa-f"],
]);

/** What follows a backslash. Letters and digits that Go does not know, or that nobody means in a path, break the syntax. */
function escaped(char: string): string {
  const known = ESCAPES.get(char);
  if (known !== undefined) return known;
  if (!/^[\x00-\x7f]$/.test(char) || /[0-9A-Za-z]/.test(char)) throw new BadPattern();
  return literal(char);
}

function literal(char: string): string {
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}

function single(source: string): RegExp {
  return compileSource(`^${source}$`);
}

function compileSource(source: string): RegExp {
  try {
    return new RegExp(source, "u");
  } catch {
    throw new BadPattern();
  }
}

/** Follows all positions in the expression at once. */
function follow(steps: readonly Step[], path: string): boolean {
  let live = reach(steps, new Set([0]));
  for (const char of path) {
    const next = new Set<number>();
    for (const at of live) {
      const step = steps[at];
      if (step === undefined || "leap" in step || !step.test.test(char)) continue;
      next.add(step.isRepeated ? at : at + 1);
    }
    live = reach(steps, next);
    if (live.size === 0) return false;
  }
  return live.has(steps.length);
}

/** With the positions that can be had without a character. A Set yields what is added while it is walked. */
function reach(steps: readonly Step[], live: Set<number>): Set<number> {
  for (const at of live) {
    const step = steps[at];
    if (step === undefined) continue;
    if ("leap" in step) live.add(at + 1).add(at + step.leap);
    else if (step.isRepeated) live.add(at + 1);
  }
  return live;
}
