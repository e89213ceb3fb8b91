// Filters on items, in the language of BuildKit's (containerd's filters package): `type==exec.cachemount,id~=^ab`. The
// comma means "and", several filters mean "or". A field by itself asks whether it is said, or true.

import { BuildError } from "../core/errors.ts";
import type { DiskItem } from "./items.ts";
import { ITEM_KINDS, ITEM_TYPES } from "./items.ts";

type Test = (item: DiskItem) => boolean;

/** What an item says of a field: a text, or a yes or no. */
const FIELDS: Readonly<Record<string, (item: DiskItem) => string | boolean>> = {
  id: ({ id }) => id,
  parents: ({ parents }) => parents.join(";"),
  parent: ({ parents }) => parents.join(";"),
  description: ({ description }) => description,
  type: ({ type }) => type,
  kind: ({ kind }) => kind,
  inuse: ({ inUse }) => inUse,
  mutable: ({ mutable }) => mutable,
  immutable: ({ mutable }) => !mutable,
  shared: ({ shared }) => shared,
  private: ({ shared }) => !shared,
};

const YES_NO = ["true", "false"];

/** What a field can be, where it is one of few things: a rule with anything else would never take anything. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  type: ITEM_TYPES,
  kind: ITEM_KINDS,
  inuse: YES_NO,
  mutable: YES_NO,
  immutable: YES_NO,
  shared: YES_NO,
  private: YES_NO,
};

/** Whether an item passes one of the filters; all do where there are none. Throws `USAGE`. */
export function compileFilters(filters: readonly string[]): Test {
  const tests = filters.map(compileFilter);
  return (item) => tests.length === 0 || tests.some((test) => test(item));
}

function compileFilter(filter: string): Test {
  const tests: Test[] = [];
  const part = /\s*([\w.]+)\s*(?:(==|!=|~=|=)\s*("(?:[^"\\]|\\.)*"|[^,]*))?\s*(,|$)/y;
  while (part.lastIndex < filter.length) {
    const at = part.lastIndex;
    const [, name = "", operator, value = ""] = part.exec(filter) ?? [];
    if (name === "") throw new BuildError("USAGE", `filter "${filter}": cannot be read from "${filter.slice(at)}" on`);
    tests.push(compileTest(filter, name, operator, unquote(filter, value.trim())));
  }
  if (tests.length === 0) throw new BuildError("USAGE", "a filter is empty", { hint: "write type==exec.cachemount" });
  return (item) => tests.every((test) => test(item));
}

function compileTest(filter: string, name: string, operator: string | undefined, value: string): Test {
  const field = FIELDS[name];
  if (field === undefined) {
    throw new BuildError("USAGE", `filter "${filter}": there is no field "${name}"`, {
      hint: `there are ${Object.keys(FIELDS).join(", ")}; a value with a comma stands in quotes`,
    });
  }
  if (operator === undefined) return (item) => field(item) !== false && field(item) !== "";
  if (operator === "~=") {
    const pattern = compilePattern(filter, value);
    return (item) => pattern.test(`${field(item)}`);
  }
  const values = VALUES[name];
  if (values !== undefined && !values.includes(value)) {
    throw new BuildError("USAGE", `filter "${filter}": ${name} is never "${value}"`, {
      hint: `it is one of ${values.join(", ")}`,
    });
  }
  const isWanted = operator !== "!=";
  return (item) => (`${field(item)}` === value) === isWanted;
}

function compilePattern(filter: string, pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (cause) {
    throw new BuildError("USAGE", `filter "${filter}": "${pattern}" is no regular expression`, { cause });
  }
}

function unquote(filter: string, value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch (cause) {
    throw new BuildError("USAGE", `filter "${filter}": ${value} is not quoted as it should be`, {
      cause,
      hint: 'within quotes write \\" and \\\\',
    });
  }
}
