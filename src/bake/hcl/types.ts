// Types of variables (HCL, ext/typeexpr), and values made to have them.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Expression } from "./ast.ts";
import { Cursor } from "./cursor.ts";
import { evaluate } from "./evaluate.ts";
import { parseExpression } from "./expression.ts";
import { asSet } from "./functions/collections.ts";
import { faultAt } from "./source.ts";
import type { Value } from "./value.ts";
import { isMap, toBool, toList, toMap, toNumber, toText } from "./value.ts";

/** A type of values. */
export type Type =
  | { readonly kind: "any" | "string" | "number" | "bool" }
  | { readonly kind: "list" | "set" | "map"; readonly of: Type }
  | { readonly kind: "tuple"; readonly items: readonly Type[] }
  | { readonly kind: "object"; readonly attributes: ReadonlyMap<string, ObjectAttribute> };

interface ObjectAttribute {
  readonly type: Type;
  readonly optional: boolean;
  readonly otherwise: Value;
}

/** The type that an expression names: `list(string)`. Throws `CONFIG`. */
export function parseType(expression: Expression): Type {
  const fault = (message: string): BuildError => faultAt(expression.place, message);
  // In JSON a type is text.
  if (expression.kind === "literal" && typeof expression.value === "string")
    return parseType(parseExpression(new Cursor({ name: expression.place.file.name, text: expression.value })));
  if (expression.kind === "variable") return primitive(expression.name, fault);
  if (expression.kind !== "call") throw fault("a type is a keyword such as string, or one of another as list(string)");
  const [argument] = expression.args;
  if (argument === undefined || expression.args.length !== 1) throw fault(`${expression.name}() takes one argument`);
  switch (expression.name) {
    case "list":
    case "set":
    case "map":
      return { kind: expression.name, of: parseType(argument) };
    case "tuple":
      if (argument.kind !== "tuple") throw fault("tuple() takes a list of types");
      return { kind: "tuple", items: argument.items.map(parseType) };
    case "object":
      if (argument.kind !== "object") throw fault("object() takes an object of types");
      return {
        kind: "object",
        attributes: new Map(argument.items.map(({ key, value }) => [nameOf(key), attribute(value)])),
      };
    default:
      throw fault(`"${expression.name}" is no type`);
  }
}

function primitive(name: string, fault: (message: string) => BuildError): Type {
  if (name === "any" || name === "string" || name === "number" || name === "bool") return { kind: name };
  throw fault(`"${name}" is no type`);
}

function nameOf(key: Expression): string {
  if (key.kind === "literal" && typeof key.value === "string") return key.value;
  throw faultAt(key.place, "an attribute of an object type is a name");
}

function attribute(expression: Expression): ObjectAttribute {
  if (expression.kind !== "call" || expression.name !== "optional")
    return { type: parseType(expression), optional: false, otherwise: null };
  const [type, otherwise] = expression.args;
  if (type === undefined) throw faultAt(expression.place, "optional() takes a type");
  const value =
    otherwise === undefined ? null : evaluate(otherwise, { variable: () => undefined, call: () => undefined });
  return { type: parseType(type), optional: true, otherwise: value };
}

/** The type for people, as buildx lists it: "list of string". */
export function typeText(type: Type): string {
  switch (type.kind) {
    case "any":
      return "any type";
    case "string":
    case "number":
    case "bool":
    case "tuple":
    case "object":
      return type.kind;
    case "list":
    case "set":
    case "map":
      return `${type.kind} of ${typeText(type.of)}`;
  }
}

/** The value with that type; null has every type. Throws `CONFIG`. */
export function convertTo(value: Value, type: Type): Value {
  if (value === null) return null;
  switch (type.kind) {
    case "any":
      return value;
    case "string":
      return toText(value);
    case "number":
      return toNumber(value);
    case "bool":
      return toBool(value);
    case "list":
      return toList(value).map((item) => convertTo(item, type.of));
    case "set":
      return asSet(toList(value).map((item) => convertTo(item, type.of)));
    case "map":
      return new Map([...toMap(value)].map(([key, item]) => [key, convertTo(item, type.of)]));
    case "tuple": {
      const items = toList(value);
      if (items.length !== type.items.length)
        throw new BuildError("CONFIG", `${type.items.length} elements are required, not ${items.length}`);
      return type.items.map((each, at) => convertTo(items[at] ?? null, each));
    }
    case "object": {
      if (!isMap(value)) throw new BuildError("CONFIG", "an object is required");
      const converted = new Map<string, Value>();
      for (const [name, { type: inner, optional, otherwise }] of type.attributes) {
        if (!value.has(name) && !optional) throw new BuildError("CONFIG", `attribute "${name}" is required`);
        const given = value.get(name) ?? null;
        converted.set(name, convertTo(given === null && optional ? otherwise : given, inner));
      }
      return converted;
    }
  }
}
