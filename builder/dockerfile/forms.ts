// How an instruction's line falls into flags and arguments. Each instruction has one of a few forms.

import { quote } from "./convert/config/go-text.ts";
import { WordError } from "./locate.ts";
import { cutWord, isSpace, splitWords, trimSpace, trimStart } from "./space.ts";

/** A line apart. `json` says that the arguments were a JSON array. */
export interface Pieces {
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly args: readonly string[];
  readonly json: boolean;
  /** ONBUILD: the text of the instruction in it. */
  readonly trigger?: string;
}

type Arguments = Pick<Pieces, "args" | "json" | "trigger">;

/** Takes a joined line apart. Throws a plain Error with BuildKit's text. */
export function takeApart(line: string, escape: string): Pieces {
  const { word: keyword, rest } = cutWord(trimSpace(line));
  const { flags, remainder } = rest === undefined ? { flags: [], remainder: "" } : takeFlags(rest, escape);
  const text = trimSpace(remainder);
  return { keyword, flags, ...argumentsOf(keyword.toLowerCase(), text, escape) };
}

function argumentsOf(keyword: string, text: string, escape: string): Arguments {
  switch (keyword) {
    case "add":
    case "copy":
    case "volume":
      return parseJson(text) ?? list(text === "" ? [] : splitWords(text));
    case "cmd":
    case "entrypoint":
    case "run":
    case "shell":
      return jsonOrString(text);
    case "expose":
    case "from":
      return list(text === "" ? [] : splitWords(text));
    case "arg":
      return list(quotedWords(text, escape));
    case "env":
    case "label":
      return list(pairs(text, keyword.toUpperCase(), escape));
    case "healthcheck":
      return healthcheck(text);
    case "onbuild":
      return text === "" ? list([]) : { args: [], json: false, trigger: text };
    case "maintainer":
    case "stopsignal":
    case "user":
    case "workdir":
      return list(text === "" ? [] : [text]);
    default:
      return list([""]);
  }
}

function list(args: readonly string[]): Arguments {
  return { args, json: false };
}

function jsonOrString(text: string): Arguments {
  if (text === "") return list([]);
  return parseJson(text) ?? list([text]);
}

/** A type (NONE, CMD), then a command. */
function healthcheck(text: string): Arguments {
  let end = 0;
  while (end < text.length && !isSpace(text.charAt(end))) end++;
  if (end === 0) return list([]);
  const command = jsonOrString(trimStart(text.slice(end)));
  return { args: [text.slice(0, end), ...command.args], json: command.json };
}

/** A JSON array of strings; undefined where the text is none, which makes it the shell form. */
function parseJson(text: string): Arguments | undefined {
  if (!text.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Go's decoder refuses numbers that a float64 cannot hold: no JSON then, so the shell form.
  if (!Array.isArray(value) || value.includes(Infinity) || value.includes(-Infinity)) return undefined;
  const args = value.filter((word: unknown) => typeof word === "string");
  if (args.length < value.length) {
    throw new Error("when using JSON array syntax, arrays must be comprised of strings only");
  }
  return { args: args.map((word) => word.toWellFormed()), json: true };
}

/** Names, values and what stood between them ("=" or nothing), flat: three words a pair. */
function pairs(text: string, instruction: string, escape: string): string[] {
  const words = quotedWords(text, escape);
  if (words.length === 0) return [];
  if (words[0]?.includes("=") !== true) {
    const { word, rest } = cutWord(text);
    if (rest === undefined) throw new Error(`${instruction} must have two arguments`);
    return [word, rest, ""];
  }
  return words.flatMap((word) => {
    const at = word.indexOf("=");
    if (at < 0) {
      throw new WordError(`Syntax error - can't find = in ${quote(word)}. Must be of the form: name=value`, word);
    }
    return [word.slice(0, at), word.slice(at + 1), "="];
  });
}

/** Words in which quotes and escapes protect white space; both stay in them. */
function quotedWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word = "";
  let isInWord = false;
  let openQuote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (openQuote === "" && isSpace(char)) {
      if (word !== "") words.push(word);
      word = "";
      isInWord = false;
      continue;
    }
    isInWord = true;
    if (char === openQuote) openQuote = "";
    else if (openQuote === "" && (char === "'" || char === '"')) openQuote = char;
    else if (char === escape && openQuote !== "'") {
      // At the end of the line an escape is dropped.
      if (at + 1 === text.length) break;
      word += char + text.charAt(++at);
      continue;
    }
    word += char;
  }
  if (isInWord && word !== "") words.push(word);
  return words;
}

/** The leading words that begin with "--", quotes and escapes resolved, and what follows them. */
function takeFlags(text: string, escape: string): { readonly flags: string[]; readonly remainder: string } {
  const flags: string[] = [];
  for (let at = 0; ;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (!text.startsWith("--", at)) return { flags, remainder: text.slice(at) };
    const { word, end } = flagWord(text, at, escape);
    at = end;
    if (word === "--") return { flags, remainder: text.slice(at) };
    flags.push(word);
  }
}

function flagWord(text: string, start: number, escape: string): { readonly word: string; readonly end: number } {
  let word = "";
  let openQuote = "";
  let at = start;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (openQuote === "" && isSpace(char)) break;
    if (char === openQuote) openQuote = "";
    else if (openQuote === "" && (char === "'" || char === '"')) openQuote = char;
    else if (char === escape) word += text.charAt(++at);
    else word += char;
  }
  return { word, end: Math.min(at, text.length) };
}
