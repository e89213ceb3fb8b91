// Variables: a default, which the environment or --var replaces, a type, and conditions that must hold
// (buildx, hclparser).

import { BuildError, asBuildError } from "../../builder/core/errors.ts";
import { parseCsv } from "../cli/values/csv.ts";
import type { Attribute, Block, Body, Expression } from "./hcl/ast.ts";
import type { Scope } from "./hcl/evaluate.ts";
import { evaluate } from "./hcl/evaluate.ts";
import { faultAt } from "./hcl/source.ts";
import type { Type } from "./hcl/types.ts";
import { convertTo, parseType } from "./hcl/types.ts";
import type { Value } from "./hcl/value.ts";
import { fromJson, toBool, toText } from "./hcl/value.ts";

/** A `variable` block. */
export interface Variable {
  readonly name: string;
  readonly block: Block;
  readonly otherwise: Expression | undefined;
  readonly description: string;
  /** Undefined when none was said. */
  readonly type: Type | undefined;
  readonly validations: readonly { readonly condition: Expression; readonly message: Expression }[];
  /** Attributes that there are not: buildx reads past them. */
  readonly unknown: readonly Attribute[];
}

/** Text that replaces a variable's default. */
export interface Override {
  readonly text: string;
  readonly isJson: boolean;
}

const KNOWN = new Set(["default", "description", "type"]);

/** Reads a block. Throws `CONFIG`. */
export function readVariable(block: Block): Variable {
  const [name = ""] = block.labels;
  const said = new Map(block.body.attributes.map(({ name: key, value }) => [key, value]));
  const type = said.get("type");
  const isNull = type?.kind === "literal" && type.value === null;
  return {
    name,
    block,
    otherwise: said.get("default"),
    description: textOf(said.get("description")),
    type: type === undefined || isNull ? undefined : parseType(type),
    unknown: block.body.attributes.filter(({ name: key }) => !KNOWN.has(key)),
    validations: block.body.blocks.map((inner) => {
      if (inner.type !== "validation") throw faultAt(inner.place, `a variable has no block "${inner.type}"`);
      const rule = attributesOf(inner.body, new Set(["condition", "error_message"]), "validation");
      const [condition, message] = [rule.get("condition"), rule.get("error_message")];
      if (condition === undefined || message === undefined)
        throw faultAt(inner.place, "a validation has a condition and an error_message");
      return { condition, message };
    }),
  };
}

/** The attributes of a block that knows only these. Throws `CONFIG`. */
export function attributesOf(body: Body, known: ReadonlySet<string>, what: string): ReadonlyMap<string, Expression> {
  for (const { name, place } of body.attributes)
    if (!known.has(name)) throw faultAt(place, `a ${what} has no attribute "${name}"`);
  return new Map(body.attributes.map(({ name, value }) => [name, value]));
}

function textOf(expression: Expression | undefined): string {
  if (expression === undefined) return "";
  return toText(evaluate(expression, { variable: () => undefined, call: () => undefined }));
}

/** A value of a variable: its default, or what takes its place. Throws `CONFIG`. */
export function variableValue(
  { name, type, block }: Variable,
  otherwise: (() => Value) | undefined,
  override: Override | undefined,
): Value {
  const standard = otherwise === undefined ? undefined : typedDefault(name, otherwise(), type, block);
  if (override === undefined) return standard ?? (otherwise !== undefined || type !== undefined ? null : "");
  try {
    return overridden(name, override, type, standard);
  } catch (error) {
    throw faultAt(block.place, `variable "${name}": ${asBuildError(error).message}`, { cause: error });
  }
}

function typedDefault(name: string, value: Value, type: Type | undefined, block: Block): Value {
  if (type === undefined) return value;
  try {
    return convertTo(value, type);
  } catch (error) {
    throw faultAt(block.place, `the default of variable "${name}" has another type: ${asBuildError(error).message}`, {
      cause: error,
    });
  }
}

function overridden(name: string, { text, isJson }: Override, type: Type | undefined, standard?: Value): Value {
  if (type !== undefined && isJson) return convertTo(fromJson(JSON.parse(text)), type);
  const kind: Type | undefined = type ?? typeOfDefault(standard);
  if (kind === undefined) return text;
  switch (kind.kind) {
    case "any":
      return text;
    case "string":
    case "number":
    case "bool":
      return primitive(text, kind.kind);
    case "list":
    case "set":
      return convertTo(
        parseCsv(text, name).map((field) => primitive(field, primitiveOf(kind.of))),
        kind,
      );
    case "tuple":
      return convertTo(parseCsv(text, name), kind);
    case "map":
      return new Map(
        parseCsv(text, name).map((field) => {
          const [key = "", value, ...more] = field.split(":");
          if (value === undefined || more.length > 0)
            throw new BuildError("CONFIG", `expected one key and value with a colon between them, not "${field}"`);
          return [key, primitive(value, primitiveOf(kind.of))];
        }),
      );
    case "object":
      throw new BuildError("CONFIG", `an object is given as JSON, in ${name}_JSON`);
  }
}

function typeOfDefault(standard: Value | undefined): Type | undefined {
  if (standard === undefined || standard === null) return undefined;
  if (typeof standard === "number") return { kind: "number" };
  if (typeof standard === "boolean") return { kind: "bool" };
  if (typeof standard === "string") return { kind: "string" };
  throw new BuildError("CONFIG", "its type must be said when it is no string, number or bool");
}

type Primitive = "string" | "number" | "bool" | "any";

function primitiveOf(type: Type): Primitive {
  if (type.kind === "string" || type.kind === "number" || type.kind === "bool") return type.kind;
  throw new BuildError("CONFIG", "its elements cannot be written in a list with commas");
}

/** As Go reads them. */
function primitive(text: string, kind: Primitive): Value {
  if (kind === "number") {
    const number = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(number)) throw new BuildError("CONFIG", `"${text}" is no number`);
    return number;
  }
  if (kind !== "bool") return text;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw new BuildError("CONFIG", `"${text}" is neither true nor false`);
}

/** Throws `CONFIG` with the message of a condition that does not hold. */
export function validateVariable({ name, validations }: Variable, scope: Scope): void {
  for (const { condition, message } of validations) {
    const holds = evaluate(condition, scope);
    if (holds === null) throw faultAt(condition.place, `the condition of variable "${name}" is null`);
    if (!toBool(holds)) throw faultAt(condition.place, `variable "${name}": ${toText(evaluate(message, scope))}`);
  }
}
