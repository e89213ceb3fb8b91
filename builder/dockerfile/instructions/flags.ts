// Flags of an instruction: "--name", "--name=value".

import { withSuggestion } from "../convert/suggest.ts";
import { WordError } from "../locate.ts";

/** `strings` may be given more than once. */
export type FlagKind = "bool" | "string" | "strings";

/** Values by name; undefined: not given. */
export type FlagValues<Kinds extends Record<string, FlagKind>> = {
  readonly [Name in keyof Kinds]: Kinds[Name] extends "bool"
    ? boolean | undefined
    : Kinds[Name] extends "string"
      ? string | undefined
      : readonly string[];
};

/** Reads an instruction's flags. Throws a plain Error with BuildKit's text. */
export function readFlags<Kinds extends Record<string, FlagKind>>(
  flags: readonly string[],
  kinds: Kinds,
): FlagValues<Kinds> {
  const values = new Map<string, boolean | string | string[]>();
  for (const name of Object.keys(kinds)) if (kinds[name] === "strings") values.set(name, []);
  for (const flag of flags) {
    const { name, value } = splitFlag(flag);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      throw new WordError(withSuggestion(`unknown flag: --${name}`, name, Object.keys(kinds)), flag);
    }
    const known = values.get(name);
    if (kind === "bool") {
      if (known !== undefined) throw new WordError(`duplicate flag specified: --${name}`, flag);
      values.set(name, readBool(name, value, flag));
      continue;
    }
    if (known !== undefined && !Array.isArray(known)) throw new WordError(`duplicate flag specified: --${name}`, flag);
    if (value === undefined) throw new WordError(`missing a value on flag: --${name}`, flag);
    if (Array.isArray(known)) known.push(value);
    else values.set(name, value);
  }
  // Every name of `kinds` has been given a value of its kind, or none.
  return Object.fromEntries(values) as FlagValues<Kinds>;
}

function splitFlag(flag: string): { readonly name: string; readonly value: string | undefined } {
  const at = flag.indexOf("=");
  return at < 0 ? { name: flag.slice(2), value: undefined } : { name: flag.slice(2, at), value: flag.slice(at + 1) };
}

function readBool(name: string, value: string | undefined, flag: string): boolean {
  switch (value?.toLowerCase()) {
    case undefined:
    case "true":
      return true;
    case "false":
      return false;
    case "":
      throw new WordError(`missing a value on flag: --${name}`, flag);
    default:
      throw new WordError(`expecting boolean value for flag --${name}, not: ${value ?? ""}`, flag);
  }
}
