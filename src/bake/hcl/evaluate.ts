// Computes expressions. Names are looked up when they are met, so what nobody asks for is never computed.

import type { BuildError } from "../../../builder/core/errors.ts";
import { asBuildError, withLocation } from "../../../builder/core/errors.ts";
import type { BinaryOperator, Expression } from "./ast.ts";
import { faultAt, locationOf } from "./source.ts";
import type { Value, ValueMap } from "./value.ts";
import { isEqual, isList, isMap, sortedEntries, toBool, toList, toNumber, toText, typeName } from "./value.ts";

/** What a function is called with: its arguments, computed when they are asked for. */
export interface Call {
  readonly args: readonly Expression[];
  readonly evaluate: (expression: Expression) => Value;
}

/** A function: of values, or, where some arguments may fail or are no values, of expressions. */
export type HclFunction = ((...args: Value[]) => Value) | { readonly ofExpressions: (call: Call) => Value };

/** What names mean. */
export interface Scope {
  /** Undefined when there is no such variable. Throws when it cannot be computed. */
  variable(name: string): Value | undefined;
  call(name: string): HclFunction | undefined;
}

/** The value of an expression. Throws `CONFIG` with the place of what cannot be computed. */
export function evaluate(expression: Expression, scope: Scope): Value {
  try {
    return compute(expression, scope);
  } catch (error) {
    throw withLocation(explained(error), locationOf(expression.place));
  }
}

function explained(error: unknown): BuildError {
  return asBuildError(error);
}

function compute(expression: Expression, scope: Scope): Value {
  const go = (child: Expression): Value => evaluate(child, scope);
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "template": {
      const [only] = expression.parts;
      if (only !== undefined && expression.parts.length === 1) return go(only);
      return expression.parts.map((part) => inText(part, go(part))).join("");
    }
    case "join":
      return toList(go(expression.list)).map(toText).join("");
    case "tuple":
      return expression.items.map(go);
    case "object":
      return new Map(expression.items.map(({ key, value }) => [keyText(key, go(key)), go(value)]));
    case "variable": {
      const value = scope.variable(expression.name);
      if (value === undefined) throw faultAt(expression.place, `there is no variable named "${expression.name}"`);
      return value;
    }
    case "item": {
      const value = scope.variable(ITEM);
      return value ?? null;
    }
    case "index":
      return element(expression, go(expression.of), go(expression.key));
    case "splat": {
      const of = go(expression.of);
      const items = of === null ? [] : isList(of) ? of : [of];
      return items.map((item) => evaluate(expression.each, withNames(scope, new Map([[ITEM, item]]))));
    }
    case "call":
      return call(expression, scope);
    case "conditional":
      return conditional(expression, go);
    case "binary":
      return binary(expression, go);
    case "unary":
      return expression.operator === "!" ? !toBool(go(expression.of)) : -toNumber(go(expression.of));
    case "for":
      return forEach(expression, scope);
  }
}

/** No identifier of a file. */
const ITEM = "*";

/** A scope with some names more. */
export function withNames(scope: Scope, names: ValueMap): Scope {
  return {
    variable: (name) => (names.has(name) ? (names.get(name) ?? null) : scope.variable(name)),
    call: (name) => scope.call(name),
  };
}

function inText(part: Expression, value: Value): string {
  if (value === null) throw faultAt(part.place, "null cannot stand in text");
  return toText(value);
}

function keyText(key: Expression, value: Value): string {
  if (value === null) throw faultAt(key.place, "the key of an object cannot be null");
  return toText(value);
}

function element(expression: Expression & { kind: "index" }, of: Value, key: Value): Value {
  if (of === null) throw faultAt(expression.place, "null has no elements");
  if (isList(of)) {
    const index = toNumber(key);
    const value = Number.isInteger(index) ? of[index] : undefined;
    if (value === undefined) throw faultAt(expression.place, `a list of ${of.length} has no element ${toText(index)}`);
    return value;
  }
  if (isMap(of)) {
    const name = toText(key);
    if (!of.has(name)) throw faultAt(expression.place, `there is no element named "${name}"`);
    return of.get(name) ?? null;
  }
  throw faultAt(expression.place, `a ${typeName(of)} has no elements`);
}

function call(expression: Expression & { kind: "call" }, scope: Scope): Value {
  const { name, args, spreads, place } = expression;
  const found = scope.call(name);
  if (found === undefined) throw faultAt(place, `there is no function named "${name}"`);
  if (typeof found !== "function")
    return found.ofExpressions({ args, evaluate: (argument) => evaluate(argument, scope) });
  const values = args.map((argument) => evaluate(argument, scope));
  if (spreads) values.push(...toList(values.pop() ?? null));
  try {
    return found(...values);
  } catch (error) {
    const known = asBuildError(error);
    if (known.location !== undefined) throw error;
    throw faultAt(place, `${name}: ${known.message}`, { cause: error });
  }
}

/** Both results have one type: a number beside text is text. */
function conditional(
  { condition, yes, no }: Expression & { kind: "conditional" },
  go: (it: Expression) => Value,
): Value {
  const isTrue = toBool(go(condition));
  const chosen = go(isTrue ? yes : no);
  if (typeof chosen !== "number" && typeof chosen !== "boolean") return chosen;
  return typeof attempt(() => go(isTrue ? no : yes)) === "string" ? toText(chosen) : chosen;
}

function attempt(compute: () => Value): Value {
  try {
    return compute();
  } catch {
    return null; // the result that was not chosen may fail
  }
}

const ARITHMETIC: Readonly<
  Record<Exclude<BinaryOperator, "||" | "&&" | "==" | "!=">, (a: number, b: number) => Value>
> = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};

function binary(
  { operator, left, right, place }: Expression & { kind: "binary" },
  go: (it: Expression) => Value,
): Value {
  const [a, b] = [go(left), go(right)];
  switch (operator) {
    case "||":
      return toBool(a) || toBool(b);
    case "&&":
      return toBool(a) && toBool(b);
    case "==":
      return isEqual(a, b);
    case "!=":
      return !isEqual(a, b);
    default: {
      const [x, y] = [toNumber(a), toNumber(b)];
      if (y === 0 && (operator === "/" || operator === "%")) throw faultAt(place, "division by zero");
      return ARITHMETIC[operator](x, y);
    }
  }
}

function forEach(expression: Expression & { kind: "for" }, scope: Scope): Value {
  const { keyName, valueName, key, value, condition, groups } = expression;
  const of = evaluate(expression.of, scope);
  if (!isList(of) && !isMap(of))
    throw faultAt(
      expression.of.place,
      `a for goes through a list or an object, not ${of === null ? "null" : `a ${typeName(of)}`}`,
    );
  const entries: Iterable<readonly [Value, Value]> = isList(of) ? of.entries() : sortedEntries(of);
  const list: Value[] = [];
  const map = new Map<string, Value>();
  for (const [entryKey, entryValue] of entries) {
    const names = new Map<string, Value>([[valueName, entryValue]]);
    if (keyName !== undefined) names.set(keyName, entryKey);
    const inner = withNames(scope, names);
    if (condition !== undefined && !toBool(evaluate(condition, inner))) continue;
    const result = evaluate(value, inner);
    if (key === undefined) {
      list.push(result);
      continue;
    }
    const name = keyText(key, evaluate(key, inner));
    const earlier = map.get(name);
    if (groups) map.set(name, [...(isList(earlier) ? earlier : []), result]);
    else if (map.has(name))
      throw faultAt(key.place, `two values have the key "${name}"`, {
        hint: "write ... behind the value to collect them",
      });
    else map.set(name, result);
  }
  return key === undefined ? list : map;
}
