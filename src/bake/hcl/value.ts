// Values of HCL: null, text, numbers, booleans, sequences and objects. Lists, tuples and sets are arrays, maps and
// objects are Maps: what they hold decides, not how their type is declared.

import { BuildError } from "../../../builder/core/errors.ts";

export type Value = null | string | number | boolean | readonly Value[] | ValueMap;
export type ValueMap = ReadonlyMap<string, Value>;

/** Whether it is an object or a map. */
export function isMap(value: Value | undefined): value is ValueMap {
  return value instanceof Map;
}

/** Whether it is a list, tuple or set. */
export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

/** The type, as messages name it. */
export function typeName(value: Value): string {
  if (value === null) return "null";
  if (isList(value)) return "tuple";
  if (isMap(value)) return "object";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** Entries in the order of their keys, as HCL goes through them. */
export function sortedEntries(map: ValueMap): readonly (readonly [string, Value])[] {
  return [...map].toSorted(([a], [b]) => compareText(a, b));
}

/** By code points, as Go compares text. */
export function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A number in full, without an exponent; what binary fractions add to decimal ones is left off (0.1 + 0.2 is 0.3). */
export function formatNumber(number: number): string {
  if (!Number.isFinite(number)) throw new BuildError("CONFIG", "a number is out of range, and has no text");
  const text = String(Number.isInteger(number) ? number : Number(number.toPrecision(15)));
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text) ?? [];
  if (whole === "") return text;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits + "0".repeat(point - digits.length);
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Text from a primitive value. Throws `CONFIG` for others. */
export function toText(value: Value): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "boolean") return String(value);
  throw new BuildError("CONFIG", `a string is required, not ${value === null ? "null" : article(typeName(value))}`);
}

/** A number, also from text that is one. Throws `CONFIG`. */
export function toNumber(value: Value): number {
  if (typeof value === "number") return value;
  if (typeof value === "string" && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value)) return Number(value);
  throw new BuildError("CONFIG", `a number is required, not ${shown(value)}`);
}

/** A boolean, also from "true" and "false". Throws `CONFIG`. */
export function toBool(value: Value): boolean {
  if (typeof value === "boolean") return value;
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw new BuildError("CONFIG", `a bool is required, not ${shown(value)}`);
}

/** A sequence. Throws `CONFIG`. */
export function toList(value: Value): readonly Value[] {
  if (isList(value)) return value;
  throw new BuildError("CONFIG", `a list is required, not ${shown(value)}`);
}

/** An object. Throws `CONFIG`. */
export function toMap(value: Value): ValueMap {
  if (isMap(value)) return value;
  throw new BuildError("CONFIG", `a map is required, not ${shown(value)}`);
}

/** Same type and same content; maps whatever the order of their keys. */
export function isEqual(a: Value, b: Value): boolean {
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, at) => isEqual(item, b[at] ?? null));
  if (isMap(a) && isMap(b)) {
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key) ?? null));
  }
  return a === b;
}

/** Any value as JSON writes it. */
export function toJson(value: Value): unknown {
  if (isList(value)) return value.map(toJson);
  if (isMap(value)) return Object.fromEntries(sortedEntries(value).map(([key, item]) => [key, toJson(item)]));
  return value;
}

/** A value from what JSON.parse gives. */
export function fromJson(json: unknown): Value {
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json === "object" && json !== null)
    return new Map(Object.entries(json).map(([key, value]) => [key, fromJson(value)]));
  if (typeof json === "string" || typeof json === "number" || typeof json === "boolean") return json;
  return null;
}

function shown(value: Value): string {
  if (value === null) return "null";
  return typeof value === "string" ? `the string "${value}"` : article(typeName(value));
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
}
