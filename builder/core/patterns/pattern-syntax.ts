// Ignore patterns with wildcards as expressions. moby/patternmatcher makes a regular expression of a pattern
// and leaves some of its characters to Go's regexp: "|", "{2}" and "\d" mean there what they mean in any
// expression. So the same text is made here, and read as Go would read it.

import { BadPattern } from "./glob.ts";
import type { Alternative, Step } from "./pattern-steps.ts";
import { GROUP_STEPS, follower } from "./pattern-steps.ts";

/** Compiles a pattern that has wildcards into a test of whole paths. Throws BadPattern. */
export function compileExpression(pattern: string): (path: string) => boolean {
  const { source, alternatives, stars } = new ExpressionReader(goExpression(pattern)).read();
  const compiled = compileSource(source);
  // Backtracking over many stars takes time without bound; following all positions at once does not.
  const steps = alternatives.reduce((sum, each) => sum + each.steps.length, 0);
  if (stars > MAX_BACKTRACKING_STARS || steps > MAX_BACKTRACKING_STEPS) return follower(alternatives);
  return (path) => compiled.test(path);
}

const MAX_BACKTRACKING_STARS = 2;
/** JavaScript refuses expressions that are too large, and only when they are used. */
const MAX_BACKTRACKING_STEPS = 5000;
/** Of one pattern, after repeats are written out. Far more than a path has characters. */
const MAX_STEPS = 100_000;

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

interface Expression {
  /** In JavaScript's syntax. */
  readonly source: string;
  readonly alternatives: readonly Alternative[];
  readonly stars: number;
}

/** Reads the subset of Go's syntax that patterns can produce. */
class ExpressionReader {
  readonly #chars: readonly string[];
  #at = 1;
  #source = "^";
  #stars = 0;
  #steps: Step[] = [];
  readonly #earlier: Step[][] = [];

  constructor(text: string) {
    this.#chars = Array.from(text);
  }

  read(): Expression {
    const end = this.#chars.length - 1;
    while (this.#at < end) this.#readOne();
    const all = [...this.#earlier, this.#steps];
    // "^" belongs to the first alternative, "$" to the last.
    const alternatives = all.map((steps, index) => ({
      steps,
      fromStart: index === 0,
      toEnd: index === all.length - 1,
    }));
    return { source: `${this.#source}$`, alternatives, stars: this.#stars };
  }

  #readOne(): void {
    const char = this.#chars[this.#at++] ?? "";
    switch (char) {
      case "(":
        // Only "(.*/)?" comes with its parenthesis unescaped.
        this.#at += 5;
        this.#source += "(?:[^\\n]*/)?";
        this.#stars++;
        this.#steps.push({ leap: GROUP_STEPS }, { source: "[^\\n]", isRepeated: true }, { source: "\\/" });
        return;
      case ".":
        return this.#push("[^\\n]");
      case "[":
        return this.#push(this.#readClass());
      case "\\":
        return this.#readEscape();
      case "|":
        this.#source += char;
        this.#earlier.push(this.#steps);
        this.#steps = [];
        return;
      case "^":
        return this.#assert("^");
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
    this.#steps.push(isRepeated ? { source, isRepeated } : { source });
  }

  #assert(source: string): void {
    this.#source += source;
    this.#steps.push({ place: source });
  }

  #readEscape(): void {
    const char = this.#chars[this.#at++] ?? "";
    const assertion = ASSERTIONS.get(char);
    if (assertion === undefined) this.#push(escaped(char));
    else this.#assert(assertion);
  }

  /** `{2}`, `{2,}`, `{2,3}`; anything else is a literal brace. */
  #readRepeat(): void {
    const rest = this.#chars.slice(this.#at, this.#at + 12).join("");
    const [repeat, low, comma, high] = /^(\d{1,4})(,?)(\d{0,4})\}/.exec(rest) ?? [];
    if (repeat === undefined) return this.#push(literal("{"));
    const least = Number(low);
    const most = comma === "" ? least : high === "" ? Infinity : Number(high);
    const step = this.#steps.pop();
    if (least > 1000 || (most > 1000 && most !== Infinity) || most < least || step === undefined)
      throw new BadPattern();
    this.#at += repeat.length;
    this.#source += `{${repeat}`;
    this.#repeat(step, least, most);
  }

  #repeat(step: Step, least: number, most: number): void {
    if (!("source" in step) || step.isRepeated === true) throw new BadPattern();
    this.#stars += most === least ? 0 : 1;
    for (let count = 0; count < least; count++) this.#steps.push(step);
    if (most === Infinity) this.#steps.push({ ...step, isRepeated: true });
    else for (let count = least; count < most; count++) this.#steps.push({ leap: 2 }, step);
    if (this.#steps.length > MAX_STEPS) throw new BadPattern();
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

function compileSource(source: string): RegExp {
  try {
    return new RegExp(source, "u");
  } catch {
    throw new BadPattern();
  }
}
