// The grammar of flags, as Go's pflag has it, because docker's users have it in their fingers:
// `--x v`, `--x=v`, `-x v`, `-xv`, `-x=v`, `-ab v`; a boolean never takes the next word; `--` ends the flags.
// A personality is a table of flags (build-flags.ts, run-flags.ts); this file knows none of them.

import { BuildError } from "../../builder/core/errors.ts";
import { nearest } from "./nearest.ts";

export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** Other spellings; they stand in no help. */
  readonly aliases?: readonly string[];
  /** `list` may be repeated; of the others the last one counts. */
  readonly kind: "boolean" | "string" | "list";
  /** What stands for the value in --help: "PATH". */
  readonly value?: string;
  /** What a flag without "=" means; then it never takes the next word (pflag's NoOptDefVal). */
  readonly bare?: string;
  readonly help: string;
  /**
   * `works` stands in --help. `ignored` is taken and changes nothing here. `later` is refused by name. Nothing else
   * happens to a flag, so --help lists exactly what works.
   */
  readonly state: "works" | "ignored" | "later";
  /** For `later`: what to do instead. For `ignored`: a warning the person should see, if there is one. */
  readonly note?: string;
  /** For `later`: values that ask for nothing, and so are taken ("--provenance=false"). */
  readonly harmless?: RegExp;
}

/** What the arguments say, each value as it was written. */
export interface Arguments {
  /** By long name, in the order given. Booleans are "true" or "false". */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
  /** Notes of ignored flags that were used. */
  readonly notes: readonly string[];
}

export interface GrammarOptions {
  /** Whether flags may follow a positional (docker build: yes; docker run: no, they are the program's). */
  readonly interspersed: boolean;
}

/** Reads arguments by a table. Throws `USAGE` with pflag's words, `UNSUPPORTED` for a flag that is not offered yet. */
export function parseArguments(
  table: readonly Flag[],
  args: readonly string[],
  options: GrammarOptions = { interspersed: true },
): Arguments {
  const values = new Map<string, string[]>();
  const notes: string[] = [];
  const take = (flag: Flag, value: string, asWritten: string): void => {
    const checked = flag.kind === "boolean" ? readBoolean(flag, value) : value;
    if (flag.state === "later" && asksForSomething(flag, checked)) {
      throw new BuildError("UNSUPPORTED", `${asWritten} is not supported yet`, { hint: flag.note });
    }
    if (flag.state === "ignored" && flag.note !== undefined && checked !== "false") {
      notes.push(`${asWritten}: ${flag.note}`);
    }
    const before = values.get(flag.name);
    if (before === undefined || flag.kind !== "list") values.set(flag.name, [checked]);
    else before.push(checked);
  };

  const positionals: string[] = [];
  let at = 0;
  const next = (missing: string): string => {
    const value = args[at];
    if (value === undefined) throw usage(`flag needs an argument: ${missing}`);
    at++;
    return value;
  };
  while (at < args.length) {
    const word = args[at++] ?? "";
    if (word === "--") {
      positionals.push(...args.slice(at));
      break;
    }
    if (word.startsWith("--")) readLong(table, word, take, next);
    else if (word.startsWith("-") && word !== "-") readShorts(table, word, take, next);
    else if (options.interspersed) positionals.push(word);
    else {
      positionals.push(word, ...args.slice(at));
      break;
    }
  }
  return { values, positionals, notes };
}

type Take = (flag: Flag, value: string, asWritten: string) => void;
type Next = (missing: string) => string;

function readLong(table: readonly Flag[], word: string, take: Take, next: Next): void {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  if (name === "" || name.startsWith("-")) throw usage(`bad flag syntax: ${word}`);
  const flag = table.find((candidate) => candidate.name === name || candidate.aliases?.includes(name) === true);
  if (flag === undefined) throw unknownFlag(table, name);
  if (equals >= 0) take(flag, word.slice(equals + 1), `--${name}`);
  else if (flag.kind === "boolean") take(flag, "true", `--${name}`);
  else take(flag, flag.bare ?? next(`--${name}`), `--${name}`);
}

function readShorts(table: readonly Flag[], word: string, take: Take, next: Next): void {
  for (let rest = word.slice(1); rest !== ""; rest = rest.slice(1)) {
    const letter = rest[0] ?? "";
    const flag = table.find((candidate) => candidate.short === letter);
    if (flag === undefined) throw usage(`unknown shorthand flag: '${letter}' in ${word}`);
    if (rest.length > 2 && rest[1] === "=") return take(flag, rest.slice(2), `-${letter}`);
    if (flag.kind !== "boolean") {
      if (rest.length > 1) return take(flag, rest.slice(1), `-${letter}`);
      return take(flag, next(`'${letter}' in ${word}`), `-${letter}`);
    }
    take(flag, "true", `-${letter}`);
  }
}

function asksForSomething(flag: Flag, value: string): boolean {
  return flag.kind === "boolean" ? value === "true" : !(flag.harmless?.test(value) ?? false);
}

/** Go's strconv.ParseBool. */
function readBoolean(flag: Flag, value: string): string {
  if (/^(1|t|T|true|True|TRUE)$/.test(value)) return "true";
  if (/^(0|f|F|false|False|FALSE)$/.test(value)) return "false";
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  throw usage(`invalid argument "${value}" for "${short}--${flag.name}" flag: neither true nor false`);
}

function unknownFlag(table: readonly Flag[], name: string): BuildError {
  const offered = table.filter((flag) => flag.state === "works").map((flag) => flag.name);
  const near = nearest(name, offered);
  return new BuildError("USAGE", `unknown flag: --${name}`, {
    hint: near === undefined ? "--help lists all flags" : `did you mean --${near}?`,
  });
}

function usage(message: string): BuildError {
  return new BuildError("USAGE", message);
}

/** The value of a flag; undefined when it was not given. */
export function textOf(args: Arguments, name: string): string | undefined {
  return args.values.get(name)?.at(-1);
}

/** All values of a repeated flag. */
export function listOf(args: Arguments, name: string): readonly string[] {
  return args.values.get(name) ?? [];
}

/** A boolean flag; false when it was not given. */
export function isOn(args: Arguments, name: string): boolean {
  return textOf(args, name) === "true";
}
