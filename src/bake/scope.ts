// What the names in a definition mean: variables, attributes of the files, functions, and the targets and groups
// themselves. Each is computed when it is first asked for; what needs itself is an error.

import { BuildError } from "../../builder/core/errors.ts";
import type { Attribute, Block, Body, Expression } from "./hcl/ast.ts";
import type { HclFunction, Scope } from "./hcl/evaluate.ts";
import { evaluate, withNames } from "./hcl/evaluate.ts";
import { faultAt } from "./hcl/source.ts";
import type { Value } from "./hcl/value.ts";
import type { Override, Variable } from "./variables.ts";
import { attributesOf, readVariable, variableValue } from "./variables.ts";

/** What a definition is read with. */
export interface Surroundings {
  /** Values that are always there: BAKE_CMD_CONTEXT. */
  readonly builtins: ReadonlyMap<string, string>;
  /** What replaces the defaults of variables. */
  readonly lookup: (name: string) => string | undefined;
  readonly functions: ReadonlyMap<string, HclFunction>;
}

const JSON_SUFFIX = "_JSON";

/** The names of all files together. */
export class FileScope implements Scope {
  readonly variables = new Map<string, Variable>();
  readonly #surroundings: Surroundings;
  readonly #attributes = new Map<string, Attribute>();
  readonly #functions = new Map<string, Block>();
  readonly #values = new Map<string, Value>();
  readonly #made = new Map<string, HclFunction>();
  readonly #pending = new Set<string>();
  /** What `target` and `group` mean. */
  readonly blocks = new Map<string, Value>();

  constructor(body: Body, surroundings: Surroundings) {
    this.#surroundings = surroundings;
    for (const attribute of body.attributes) this.#attributes.set(attribute.name, attribute);
    for (const block of body.blocks) {
      const [name] = block.labels;
      if (name === undefined || (block.type !== "variable" && block.type !== "function")) continue;
      if (surroundings.builtins.has(name)) continue;
      if (block.type === "variable") this.variables.set(name, readVariable(block));
      else this.#functions.set(name, block);
    }
  }

  /** Computes what nothing asked for, so that what is wrong in it is said. Throws `CONFIG`. */
  computeAll(): void {
    for (const name of [...this.variables.keys(), ...this.#attributes.keys()]) this.variable(name);
    for (const name of this.#functions.keys()) this.call(name);
  }

  variable(name: string): Value | undefined {
    const block = this.blocks.get(name);
    if (block !== undefined) return block;
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const builtin = this.#surroundings.builtins.get(name);
    if (builtin !== undefined) return builtin;
    const [attribute, variable] = [this.#attributes.get(name), this.variables.get(name)];
    if (attribute === undefined && variable === undefined) return undefined;
    const value = this.#once(name, () => this.#compute(attribute, variable));
    this.#values.set(name, value);
    return value;
  }

  #compute(attribute: Attribute | undefined, variable: Variable | undefined): Value {
    const expression = attribute?.value ?? variable?.otherwise;
    const otherwise = expression === undefined ? undefined : () => evaluate(expression, this);
    if (variable === undefined) return otherwise?.() ?? null;
    const { type, ...rest } = variable;
    const declared = { ...rest, type: attribute === undefined ? type : undefined };
    return variableValue(declared, otherwise, this.#override(variable));
  }

  #override({ name, type }: Variable): Override | undefined {
    const { lookup, builtins } = this.#surroundings;
    const text = lookup(name);
    const jsonName = name + JSON_SUFFIX;
    if ((text === undefined || type !== undefined) && !this.variables.has(jsonName) && !builtins.has(jsonName)) {
      const json = lookup(jsonName);
      if (json !== undefined) return { text: json, isJson: true };
    }
    return text === undefined ? undefined : { text, isJson: false };
  }

  call(name: string): HclFunction | undefined {
    const known = this.#surroundings.functions.get(name) ?? this.#made.get(name);
    if (known !== undefined) return known;
    const block = this.#functions.get(name);
    if (block === undefined) return undefined;
    const made = userFunction(block, this);
    this.#made.set(name, made);
    return made;
  }

  #once<T>(name: string, compute: () => T): T {
    if (this.#pending.has(name)) throw new BuildError("CONFIG", `"${name}" needs itself`);
    this.#pending.add(name);
    try {
      return compute();
    } finally {
      this.#pending.delete(name);
    }
  }
}

const FUNCTION_KEYS = new Set(["params", "variadic_params", "result"]);
const DEEPEST = 100;

/** A `function` block. Throws `CONFIG`. */
function userFunction(block: Block, scope: Scope): HclFunction {
  const [name = ""] = block.labels;
  const said = attributesOf(block.body, FUNCTION_KEYS, "function");
  const [params, variadic, result] = [said.get("params"), said.get("variadic_params"), said.get("result")];
  if (params === undefined || params.kind !== "tuple")
    throw faultAt(block.place, `function "${name}" has no list of params`);
  if (result === undefined) throw faultAt(block.place, `function "${name}" has no result`);
  const names = params.items.map(keyword);
  const rest = variadic === undefined ? undefined : keyword(variadic);
  let depth = 0;
  return (...args) => {
    if (args.length < names.length || (rest === undefined && args.length > names.length))
      throw new BuildError("CONFIG", `takes ${names.length} arguments, not ${args.length}`);
    const bound = new Map<string, Value>(names.map((param, at) => [param, args[at] ?? null]));
    if (rest !== undefined) bound.set(rest, args.slice(names.length));
    if (depth >= DEEPEST) throw new BuildError("CONFIG", `function "${name}" needs itself`);
    depth++;
    try {
      return evaluate(result, withNames(scope, bound));
    } finally {
      depth--;
    }
  };
}

function keyword(expression: Expression): string {
  if (expression.kind === "variable") return expression.name;
  if (expression.kind === "literal" && typeof expression.value === "string") return expression.value;
  throw faultAt(expression.place, "a parameter is a name");
}
