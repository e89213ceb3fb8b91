// Words with variables: BuildKit's shell lexer (frontend/dockerfile/shell), which knows quotes, escapes,
// $name and the ${name…} forms, and nothing else of a shell. Its oddities are kept where an image can
// depend on them, and are named where they stand.

import { BuildError } from "../core/errors.ts";
import { quote } from "./convert/config/go-text.ts";
import { ShellSyntaxError, replaceMatches, trimPrefix, trimSuffix } from "./shell-pattern.ts";
import { WordBuffer } from "./word-buffer.ts";

/** Where values come from; a Map of names and values is one. */
export interface EnvLookup {
  get(name: string): string | undefined;
}

export interface ExpandOptions {
  /** Quotes stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escape characters stay in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes are ordinary characters (bodies of here-documents). */
  readonly skipQuotes?: boolean;
  /** A reference to a variable that is not set stays as it is. */
  readonly skipUnset?: boolean;
  /** Gets the names that had no value, also where the word cannot be expanded. */
  readonly unmatched?: Set<string>;
}

export interface Expansion {
  readonly result: string;
  /** Names that had a value. */
  readonly matched: Set<string>;
  /** Names that had none. */
  readonly unmatched: Set<string>;
}

/** Replaces the variables of one word; spaces stay. `escape` is the file's escape character. Throws `DOCKERFILE`. */
export function expandWord(word: string, env: EnvLookup, escape: string, options: ExpandOptions = {}): Expansion {
  const lexer = new ShellLexer(word, env, escape, options, false);
  return { result: lexer.run().result, matched: lexer.matched, unmatched: lexer.unmatched };
}

/** Replaces variables, then splits at white space outside quotes. Throws `DOCKERFILE`. */
export function expandWords(word: string, env: EnvLookup, escape: string, options: ExpandOptions = {}): string[] {
  return new ShellLexer(word, env, escape, options, true).run().words;
}

/** Longer results are refused: a chain of doubling variables grows without bound. In characters, of a word and of a here-document. */
const WORD_LIMIT = 16 * 1024 * 1024;
const DOCUMENT_LIMIT = 64 * 1024 * 1024;
const DEPTH_LIMIT = 500;
const LETTER = /^\p{L}$/u;
const DIGIT = /^\p{Nd}$/u;

interface Part {
  readonly result: string;
  readonly words: string[];
}

class ShellLexer {
  readonly matched = new Set<string>();
  readonly unmatched: Set<string>;
  readonly #text: string;
  readonly #env: EnvLookup;
  readonly #escape: string;
  readonly #options: ExpandOptions;
  readonly #plain: RegExp;
  readonly #words: WordBuffer | undefined;
  #at: number;
  #rawEscapes: boolean;
  #depth = 0;
  readonly #limit: number;

  constructor(text: string, env: EnvLookup, escape: string, options: ExpandOptions, wantWords: boolean) {
    this.#text = text;
    this.#env = env;
    this.#escape = escape;
    this.#options = options;
    this.unmatched = options.unmatched ?? new Set();
    this.#limit = options.skipQuotes === true ? DOCUMENT_LIMIT : WORD_LIMIT;
    this.#words = wantWords ? new WordBuffer() : undefined;
    this.#rawEscapes = options.rawEscapes === true;
    this.#plain = new RegExp(`[^$<}/\\${escape}${options.skipQuotes === true ? "" : "'\""}]+`, "y");
    // Go's scanner drops a byte order mark at the start.
    this.#at = text.startsWith("\ufeff") ? 1 : 0;
  }

  run(): Part {
    try {
      return this.#until("", this.#rawEscapes);
    } catch (error) {
      if (!(error instanceof ShellSyntaxError)) throw error;
      throw new BuildError("DOCKERFILE", `failed to process ${quote(this.#text)}: ${error.message}`);
    }
  }

  /** Up to `stop`, which is consumed; "" is the end of the text. */
  #until(stop: string, rawEscapes: boolean): Part {
    if (++this.#depth > DEPTH_LIMIT) throw new ShellSyntaxError("syntax error: substitutions nested too deeply");
    const outerRawEscapes = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    const words = this.#words?.begin();
    let result = "";
    let ended = stop === "";
    while (this.#at < this.#text.length) {
      const char = this.#text.charAt(this.#at);
      if (char === stop) {
        this.#at++;
        ended = true;
        break;
      }
      if (char === "$") {
        const value = this.#dollar();
        result += value;
        words?.addText(value);
      } else if (char === "<" || this.#isQuote(char)) {
        const value = char === "<" ? this.#heredocMark() : char === "'" ? this.#singleQuote() : this.#doubleQuote();
        result += value;
        words?.addRaw(value);
      } else if (char === this.#escape) {
        const escaped = (this.#rawEscapes ? char : "") + this.#text.charAt(this.#at + 1);
        this.#at += 2;
        result += escaped;
        if (escaped !== "") words?.addRaw(escaped);
      } else {
        const value = this.#plainRun();
        result += value;
        words?.addText(value);
      }
      this.#checkLength(result);
    }
    this.#rawEscapes = outerRawEscapes;
    this.#depth--;
    if (!ended) throw new ShellSyntaxError(`unexpected end of statement while looking for matching ${stop}`);
    return { result, words: words?.finish() ?? [] };
  }

  #plainRun(): string {
    this.#plain.lastIndex = this.#at;
    const run = this.#plain.exec(this.#text)?.[0] ?? this.#text.charAt(this.#at);
    this.#at += run.length;
    return run;
  }

  #isQuote(char: string): boolean {
    return (char === "'" || char === '"') && this.#options.skipQuotes !== true;
  }

  #singleQuote(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) {
      this.#at = this.#text.length;
      throw new ShellSyntaxError("unexpected end of statement while looking for matching single-quote");
    }
    const inner = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return this.#options.rawQuotes === true ? `'${inner}'` : inner;
  }

  #doubleQuote(): string {
    let result = "";
    this.#at++;
    while (this.#at < this.#text.length) {
      const char = this.#text.charAt(this.#at);
      if (char === '"') {
        this.#at++;
        return this.#options.rawQuotes === true ? `"${result}"` : result;
      }
      if (char === "$") {
        result += this.#dollar();
        this.#checkLength(result);
        continue;
      }
      this.#at++;
      if (char !== this.#escape) {
        result += char;
        continue;
      }
      const next = this.#text.charAt(this.#at);
      if (this.#rawEscapes) result += char;
      if (next === '"' || next === "$" || next === this.#escape) {
        result += next;
        this.#at++;
      } else if (next !== "") {
        result += char;
      }
    }
    throw new ShellSyntaxError("unexpected end of statement while looking for matching double-quote");
  }

  /** "<" or "<<" with the blanks behind it: they belong to the word, so that "<< EOF" is one. */
  #heredocMark(): string {
    const mark = /<<[\t\r ]*|</y;
    mark.lastIndex = this.#at;
    const text = mark.exec(this.#text)?.[0] ?? "";
    this.#at += text.length;
    return text;
  }

  #dollar(): string {
    this.#at++;
    if (this.#text.charAt(this.#at) === "{") {
      this.#at++;
      return this.#braces();
    }
    const name = this.#name();
    if (name === "") return "$";
    const value = this.#lookup(name);
    return value ?? (this.#options.skipUnset === true ? `$${name}` : "");
  }

  /** What follows "${". */
  #braces(): string {
    const first = this.#text.charAt(this.#at);
    if (first === "") throw new ShellSyntaxError("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw new ShellSyntaxError("syntax error: bad substitution");
    const name = this.#name();
    const modifier = this.#nextChar();
    switch (modifier) {
      case "}": {
        const value = this.#lookup(name);
        return value ?? (this.#options.skipUnset === true ? `\${${name}}` : "");
      }
      case "/":
        return this.#replacement(name);
      case ":":
        return this.#modified(name, this.#nextChar(), true);
      case "+":
      case "-":
      case "?":
      case "#":
      case "%":
        return this.#modified(name, modifier, false);
      default:
        throw new ShellSyntaxError(`unsupported modifier (${modifier}) in substitution`);
    }
  }

  /** `${name-word}` and its sisters; with `emptyIsUnset` a colon stood before the operator. */
  #modified(name: string, operator: string, emptyIsUnset: boolean): string {
    const shown = emptyIsUnset ? `:${operator}` : operator;
    const isTrim = operator === "#" || operator === "%";
    if (emptyIsUnset && isTrim) throw new ShellSyntaxError(`unsupported modifier (${shown}) in substitution`);
    const word = this.#argument("}", isTrim);
    const value = this.#lookup(name);
    if (value === undefined && this.#options.skipUnset === true) return `\${${name}${shown}${word}}`;
    const isMissing = value === undefined || (emptyIsUnset && value === "");
    switch (operator) {
      case "-":
        return isMissing ? word : value;
      case "+":
        return isMissing ? "" : word;
      case "?":
        if (!isMissing) return value;
        throw new ShellSyntaxError(
          `${name}: ${word || `is not allowed to be ${value === undefined ? "unset" : "empty"}`}`,
        );
      case "#":
      case "%": {
        const isLongest = word.startsWith(operator);
        const pattern = isLongest ? word.slice(1) : word;
        return operator === "#"
          ? trimPrefix(pattern, value ?? "", isLongest)
          : trimSuffix(pattern, value ?? "", isLongest);
      }
      default:
        throw new ShellSyntaxError(`unsupported modifier (${shown}) in substitution`);
    }
  }

  /** `${name/pattern/text}`, or all matches with a second slash. */
  #replacement(name: string): string {
    const isAll = this.#text.charAt(this.#at) === "/";
    if (isAll) this.#at++;
    const pattern = this.#argument("/", true);
    const text = this.#argument("}", true);
    const value = this.#lookup(name);
    if (value === undefined && this.#options.skipUnset === true) return `\${${name}/${pattern}/${text}}`;
    return replaceMatches(pattern, value ?? "", text, isAll, this.#limit);
  }

  #argument(stop: "}" | "/", rawEscapes: boolean): string {
    const outerRawEscapes = this.#rawEscapes;
    try {
      return this.#until(stop, rawEscapes).result;
    } catch (error) {
      if (!(error instanceof ShellSyntaxError) || this.#at < this.#text.length) throw error;
      throw new ShellSyntaxError(`syntax error: missing '${stop}'${stop === "/" ? " in ${}" : ""}`);
    } finally {
      this.#rawEscapes = outerRawEscapes;
    }
  }

  /** Digits, one special parameter, or letters, digits and "_"; "" if nothing of these stands here. */
  #name(): string {
    const start = this.#at;
    const isNumber = DIGIT.test(this.#peekChar());
    if (!isNumber && /^[@*#?$!-]$/.test(this.#peekChar())) return this.#nextChar();
    for (;;) {
      const char = this.#peekChar();
      if (char === "" || !(DIGIT.test(char) || (!isNumber && (char === "_" || LETTER.test(char))))) break;
      this.#at += char.length;
    }
    return this.#text.slice(start, this.#at);
  }

  #peekChar(): string {
    const code = this.#text.codePointAt(this.#at);
    return code === undefined ? "" : String.fromCodePoint(code);
  }

  /** The next character; U+FFFD at the end, as Go prints its end-of-file rune. */
  #nextChar(): string {
    const char = this.#peekChar();
    this.#at += char.length;
    return char === "" ? "\ufffd" : char;
  }

  #checkLength(text: string): void {
    if (text.length > this.#limit) throw new ShellSyntaxError(`result is longer than ${this.#limit} characters`);
  }

  #lookup(name: string): string | undefined {
    const value = this.#env.get(name);
    (value === undefined ? this.unmatched : this.matched).add(name);
    return value;
  }
}
