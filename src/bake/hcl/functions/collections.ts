// Functions of lists, sets and maps (go-cty, function/stdlib: collection.go, sequence.go, set.go).

import { BuildError } from "../../../../builder/core/errors.ts";
import type { HclFunction } from "../evaluate.ts";
import type { Value } from "../value.ts";
import { compareText, isEqual, isList, isMap, sortedEntries, toList, toMap, toNumber, toText } from "../value.ts";

const MOST_ELEMENTS = 1024;

export const COLLECTION_FUNCTIONS: Readonly<Record<string, HclFunction>> = {
  chunklist: (list = null, size = null) => {
    const [items, step] = [toList(list), toNumber(size)];
    if (step <= 0) return items.length === 0 ? [] : [items];
    return Array.from({ length: Math.ceil(items.length / step) }, (_, at) => items.slice(at * step, (at + 1) * step));
  },
  coalesce: (...values) => {
    const found = values.find((value) => value !== null);
    if (found === undefined) throw fault("no non-null arguments");
    return values.some((value) => typeof value === "string") && !isList(found) && !isMap(found) ? toText(found) : found;
  },
  coalescelist: (...lists) => {
    const found = lists.find((list) => list !== null && toList(list).length > 0);
    if (found === undefined) throw fault("no non-null arguments");
    return found;
  },
  compact: (list = null) => toList(list).filter((item) => item !== null && item !== ""),
  concat: (...lists) => lists.flatMap((list) => [...toList(list)]),
  contains: (list = null, value = null) => toList(list).some((item) => isEqual(item, value)),
  distinct: (list = null) => distinct(toList(list)),
  element: (list = null, index = null) => {
    const items = toList(list);
    if (items.length === 0) throw fault("cannot use element function with an empty list");
    const at = toNumber(index) % items.length;
    return items[at < 0 ? at + items.length : at] ?? null;
  },
  flatten: (list = null) => flat(toList(list)),
  hasindex: (collection = null, key = null) => {
    if (isList(collection))
      return typeof key === "number" && Number.isInteger(key) && key >= 0 && key < collection.length;
    return typeof key === "string" && toMap(collection).has(key);
  },
  index: (collection = null, key = null) => {
    const value = isList(collection) ? collection[toNumber(key)] : toMap(collection).get(toText(key));
    if (value === undefined) throw fault("invalid index");
    return value;
  },
  indexof: (list = null, value = null) => {
    const items = toList(list);
    if (items.length === 0) throw fault("cannot search an empty list");
    const at = items.findIndex((item) => isEqual(item, value));
    if (at < 0) throw fault("item not found");
    return at;
  },
  keys: (map = null) => sortedEntries(toMap(map)).map(([key]) => key),
  values: (map = null) => sortedEntries(toMap(map)).map(([, value]) => value),
  length: (collection = null) => {
    if (isList(collection)) return collection.length;
    return toMap(collection).size;
  },
  lookup: (map = null, key = null, otherwise) => {
    const found = toMap(map).get(toText(key));
    if (found !== undefined) return found;
    if (otherwise === undefined) throw fault(`lookup failed to find key "${toText(key)}"`);
    return otherwise;
  },
  merge: (...maps) => new Map(maps.filter((map) => map !== null).flatMap((map) => [...toMap(map)])),
  range: (...bounds) => range(bounds.map(toNumber)),
  reverselist: (list = null) => toList(list).toReversed(),
  setproduct: (...sets) =>
    sets.reduce<Value[][]>(
      (rows, set) => rows.flatMap((row) => toList(set).map((item): Value[] => [...row, item])),
      [[]],
    ),
  sethaselement: (set = null, value = null) => toList(set).some((item) => isEqual(item, value)),
  setintersection: (first = null, ...others) =>
    asSet(toList(first).filter((item) => others.every((other) => has(other, item)))),
  setsubtract: (first = null, second = null) => asSet(toList(first).filter((item) => !has(second, item))),
  setsymmetricdifference: (first = null, ...others) =>
    others.reduce<Value>(
      (before, other) =>
        asSet([
          ...toList(before).filter((item) => !has(other, item)),
          ...toList(other).filter((item) => !has(before, item)),
        ]),
      asSet(toList(first)),
    ),
  setunion: (...sets) => asSet(sets.flatMap((set) => [...toList(set)])),
  slice: (list = null, start = null, end = null) => {
    const [items, from, to] = [toList(list), toNumber(start), toNumber(end)];
    if (from < 0 || to > items.length || from > to)
      throw fault(`a list of ${items.length} has no slice from ${from} to ${to}`);
    return items.slice(from, to);
  },
  sort: (list = null) => toList(list).map(toText).toSorted(compareText),
  zipmap: (keys = null, values = null) => {
    const [names, items] = [toList(keys), toList(values)];
    if (names.length !== items.length) throw fault(`${names.length} keys, but ${items.length} values`);
    return new Map(names.map((name, at) => [toText(name), items[at] ?? null]));
  },
};

function fault(message: string): BuildError {
  return new BuildError("CONFIG", message);
}

function has(list: Value, value: Value): boolean {
  return toList(list).some((item) => isEqual(item, value));
}

function distinct(items: readonly Value[]): readonly Value[] {
  return items.filter((item, at) => items.findIndex((other) => isEqual(other, item)) === at);
}

/** A set goes through its elements in their order. */
export function asSet(items: readonly Value[]): readonly Value[] {
  const order = (value: Value): string =>
    typeof value === "number" ? String(value).padStart(20, "0") : JSON.stringify(value);
  return distinct(items).toSorted((a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : typeof a === "string" && typeof b === "string"
        ? compareText(a, b)
        : compareText(order(a), order(b)),
  );
}

function flat(items: readonly Value[]): readonly Value[] {
  return items.flatMap((item) => (isList(item) ? flat(item) : [item]));
}

function range(bounds: readonly number[]): readonly Value[] {
  const [first = 0, second, third] = bounds;
  const [start, end] = second === undefined ? [0, first] : [first, second];
  const step = third ?? (end < start ? -1 : 1);
  if (step === 0) throw fault("step must not be zero");
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (count > MOST_ELEMENTS) throw fault(`more than ${MOST_ELEMENTS} values were generated`);
  return Array.from({ length: count }, (_, at) => start + at * step);
}
