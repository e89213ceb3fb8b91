// The kinds of attributes that a target has: how a value becomes one, how two are merged when a target inherits, and
// how it is printed (buildx, bake/bake.go).

import { BuildError } from "../../builder/core/errors.ts";
import type { Entry, SecretEntry, SshEntry } from "./entries.ts";
import { entriesOf, parseAttests, parseCaches, parseExports, parseSecrets, parseSsh, typed } from "./entries.ts";
import type { Value } from "./hcl/value.ts";
import { sortedEntries, toBool, toList, toMap, toText } from "./hcl/value.ts";

/** One kind of attribute. */
export interface Field<T> {
  /** From what a definition says; undefined for null. Throws `CONFIG`. */
  decode(value: Value): T | undefined;
  /** What `after` makes of `before`. */
  merge(before: T, after: T): T;
  /** Without what is said twice; undefined when nothing is left. */
  normalize(value: T): T | undefined;
  /** As `--print` shows it; undefined where it does not. */
  print(value: T): unknown;
  /** As other parts of a definition see it (`target.x.args`). */
  value(value: T): Value;
}

const replaced = <T>(_before: T, after: T): T => after;
const whole = <T>(value: T): T => value;

export const TEXT: Field<string> = {
  decode: (value) => (value === null ? undefined : toText(value)),
  merge: replaced,
  normalize: whole,
  print: whole,
  value: whole,
};

/** A text that an empty one does not replace, and that is not shown when it is empty. */
export const DESCRIPTION: Field<string> = {
  ...TEXT,
  merge: (before, after) => after || before,
  print: (text) => text || undefined,
};

export const ESCAPED_TEXT: Field<string> = { ...TEXT, print: escaped };

export const BOOL: Field<boolean> = {
  decode: (value) => (value === null ? undefined : toBool(value)),
  merge: replaced,
  normalize: whole,
  print: whole,
  value: whole,
};

/** Texts of which the last ones said count. */
export const TEXTS: Field<readonly string[]> = {
  decode: (value) => (value === null ? undefined : toList(value).map(textItem)),
  merge: replaced,
  normalize: (texts) => [...new Set(texts.filter((text) => text !== ""))],
  print: (texts) => (texts.length === 0 ? undefined : texts),
  value: whole,
};

export const APPENDED_TEXTS: Field<readonly string[]> = { ...TEXTS, merge: (before, after) => [...before, ...after] };

export const ESCAPED_TEXTS: Field<readonly string[]> = {
  ...APPENDED_TEXTS,
  print: (texts) => (texts.length === 0 ? undefined : texts.map(escaped)),
};

type Texts = ReadonlyMap<string, string>;

/** Texts by name. */
const TEXT_MAP: Field<Texts> = {
  decode: (value) =>
    value === null
      ? undefined
      : new Map([...toMap(value)].flatMap(([key, item]) => (item === null ? [] : [[key, toText(item)] as const]))),
  merge: (before, after) => new Map([...before, ...after]),
  normalize: whole,
  print: (map) => (map.size === 0 ? undefined : Object.fromEntries(sortedEntries(map))),
  value: whole,
};

export const ESCAPED_MAP: Field<Texts> = {
  ...TEXT_MAP,
  print: (map) => TEXT_MAP.print(new Map([...map].map(([key, text]) => [key, escaped(text)]))),
};

/** Named contexts: an empty one takes the name away. */
export const CONTEXTS: Field<Texts> = {
  ...TEXT_MAP,
  decode: (given) => {
    if (given instanceof Map && [...given.values()].includes(null))
      throw new BuildError("CONFIG", "a context is not null");
    return TEXT_MAP.decode(given);
  },
  normalize: (map) => {
    const left = [...map].filter(([, text]) => text !== "");
    return left.length === 0 ? undefined : new Map(left);
  },
};

interface ListKind<T> {
  readonly parse: (text: string) => readonly T[];
  readonly ofMap: (map: Entry) => T;
  /** Of two with one identity the later one takes the place of the earlier. */
  readonly identity: (item: T) => string;
  readonly print: (item: T) => unknown;
  readonly value: (item: T) => Value;
}

function list<T>({ parse, ofMap, identity, print, value }: ListKind<T>): Field<readonly T[]> {
  const unique = (items: readonly T[]): readonly T[] => [
    ...new Map(items.map((item) => [identity(item), item])).values(),
  ];
  return {
    decode: (given) => (given === null ? undefined : entriesOf(given, parse, ofMap)),
    merge: (before, after) => unique([...before, ...after]),
    normalize: (items) => (items.length === 0 ? undefined : unique(items)),
    print: (items) => (items.length === 0 ? undefined : items.map(print)),
    value: (items) => items.map(value),
  };
}

const entries = (parse: (text: string) => readonly Entry[], what: string, identity: (entry: Entry) => string) =>
  list<Entry>({
    parse,
    ofMap: (map) => typed(map, what),
    identity,
    print: (entry) => Object.fromEntries(sortedEntries(entry)),
    value: whole,
  });

const sameEntry = (entry: Entry): string => JSON.stringify([...entry]);

export const CACHES = entries(parseCaches, "a cache", sameEntry);
export const LAST_CACHES: typeof CACHES = { ...CACHES, merge: replaced };
export const EXPORTS: typeof CACHES = { ...entries(parseExports, "an output", sameEntry), merge: replaced };
export const ATTESTS: Field<readonly Entry[]> = {
  ...entries(parseAttests, "an attestation", (entry) => entry.get("type") ?? ""),
  print: (items) => (items.length === 0 ? undefined : items.map(printAttest)),
};

export const SECRETS = list<SecretEntry>({
  parse: parseSecrets,
  ofMap: (map) => ({ id: map.get("id") ?? "", src: map.get("src") ?? "", env: map.get("env") ?? "" }),
  identity: ({ id }) => id,
  print: ({ id, src, env }) => ({
    ...(id === "" ? {} : { id }),
    ...(src === "" ? {} : { src }),
    ...(env === "" ? {} : { env }),
  }),
  value: (secret) => new Map(Object.entries(secret)),
});

export const SSH = list<SshEntry>({
  parse: parseSsh,
  ofMap: (map) => ({
    id: map.get("id") ?? "",
    paths: (map.get("paths") ?? "").split(",").filter((path) => path !== ""),
  }),
  identity: ({ id }) => id,
  print: ({ id, paths }) => ({ ...(id === "" ? {} : { id }), ...(paths.length === 0 ? {} : { paths }) }),
  value: ({ id, paths }) =>
    new Map<string, Value>([
      ["id", id],
      ["paths", paths],
    ]),
});

/** What is switched off is so as a boolean. */
function printAttest(entry: Entry): object {
  const disabled = entry.get("disabled");
  const rest = Object.fromEntries(sortedEntries(entry).filter(([key]) => key !== "disabled"));
  if (disabled === undefined || !toBool(disabled)) return rest;
  return Object.fromEntries(Object.entries({ ...rest, disabled: true }).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** What is printed is read again as a definition. */
function escaped(text: string): string {
  return text.replace(/[$%](?=\{)/g, (mark) => mark + mark);
}

function textItem(item: Value): string {
  if (item === null) throw new BuildError("CONFIG", "null cannot stand in a list of strings");
  return toText(item);
}
