// `target` and `group` blocks to targets and groups: matrices are multiplied out, names computed, and every attribute
// evaluated (buildx, hclparser and bake/bake.go).

import { BuildError } from "../../builder/core/errors.ts";
import type { Block, Body, Expression } from "./hcl/ast.ts";
import type { Scope } from "./hcl/evaluate.ts";
import { evaluate, withNames } from "./hcl/evaluate.ts";
import type { BlockSchema } from "./hcl/json-body.ts";
import type { Place } from "./hcl/source.ts";
import { faultAt, locationOf } from "./hcl/source.ts";
import type { Value, ValueMap } from "./hcl/value.ts";
import { isList, isMap, sortedEntries, toList, toText } from "./hcl/value.ts";
import { LazyMap } from "./lazy-map.ts";
import type { FileScope } from "./scope.ts";
import type { Definition, FieldName, Group, Target } from "./target.ts";
import { fieldOf, isFieldName, mergeTargets, TARGET_FIELDS, valueOfField } from "./target.ts";
import { validateVariable } from "./variables.ts";

/** Which names are blocks in a definition that is written as JSON. */
export const SCHEMA: BlockSchema = {
  target: { labels: 1, inner: {} },
  group: { labels: 1, inner: {} },
  function: { labels: 1, inner: {} },
  variable: { labels: 1, inner: { validation: { labels: 0, inner: {} } } },
};

const NAME = /^[a-zA-Z0-9_-]+$/;

/** Reads all blocks into `definition`, which may have some already; what means nothing is returned. Throws `CONFIG`. */
export function readBlocks(body: Body, scope: FileScope, definition: Definition): readonly string[] {
  const blocks = body.blocks.filter(({ type }) => type === "target" || type === "group");
  const reader = new BlockReader(blocks, scope);
  scope.computeAll();
  for (const variable of scope.variables.values()) {
    validateVariable(variable, scope);
    for (const { name, place } of variable.unknown)
      reader.ignored.add(`${textPlace(place)}: a variable has no attribute "${name}"`);
  }
  for (const [name, group] of reader.groups()) definition.groups.set(name, group);
  for (const { name, target } of reader.targets()) {
    const before = definition.targets.get(name);
    definition.targets.set(name, before === undefined ? target : mergeTargets(before, target));
  }
  for (const [label, names] of reader.multiplied()) {
    const before = definition.groups.get(label);
    definition.groups.set(label, { ...before, targets: [...new Set([...(before?.targets ?? []), ...names])] });
  }
  return [...reader.ignored];
}

function textPlace(place: Place): string {
  const { file, range } = locationOf(place);
  return `${file}:${range.startLine}`;
}

/** One target that a block makes: of a matrix there are several. */
interface Instance {
  readonly name: string;
  readonly label: string;
  readonly block: Block;
  readonly scope: Scope;
  readonly values: Map<string, unknown>;
}

class BlockReader {
  readonly #scope: FileScope;
  readonly #blocks: readonly Block[];
  readonly #pending = new Set<string>();
  /** Attributes and blocks that there are not: buildx reads past them. */
  readonly ignored = new Set<string>();
  #instances: readonly Instance[] | undefined;

  constructor(blocks: readonly Block[], scope: FileScope) {
    this.#scope = scope;
    this.#blocks = blocks;
    for (const block of blocks) {
      const [label = "", ...more] = block.labels;
      if (more.length > 0 || !NAME.test(label))
        throw faultAt(
          block.place,
          `"${block.labels.join(" ")}" is no name of a ${block.type}: letters, digits, "_" and "-" are`,
        );
      for (const { place, type } of block.body.blocks) {
        if (block.type !== "target") throw faultAt(place, `a ${block.type} has no block "${type}"`);
        this.ignored.add(`${textPlace(place)}: a target has no block "${type}"`);
      }
    }
    scope.blocks.set(
      "target",
      new LazyMap(
        () => this.#targetNames(),
        (name) => this.#targetValue(name),
      ),
    );
    scope.blocks.set(
      "group",
      new LazyMap(
        () => this.#groupNames(),
        (name) => this.#groupValue(name),
      ),
    );
  }

  groups(): ReadonlyMap<string, Group> {
    return new Map(this.#ofType("group").map((block) => [block.labels[0] ?? "", this.#group(block)]));
  }

  *targets(): Generator<{ readonly name: string; readonly target: Target }> {
    for (const instance of this.#all()) {
      const target: Record<string, unknown> = {};
      for (const { name, place } of instance.block.body.attributes) {
        if (name === "name" || name === "matrix") continue;
        if (isFieldName(name)) target[name] = this.#field(instance, name);
        else this.ignored.add(`${textPlace(place)}: a target has no attribute "${name}"`);
      }
      yield { name: instance.name, target };
    }
  }

  /** Blocks whose targets have other names: each is a group of them. */
  multiplied(): ReadonlyMap<string, readonly string[]> {
    const names = new Map<string, string[]>();
    for (const { label, name } of this.#all()) names.set(label, [...(names.get(label) ?? []), name]);
    return new Map(
      [...names].filter(([label, [first, ...more]]) => more.some((name) => name !== first) || first !== label),
    );
  }

  #ofType(type: string): readonly Block[] {
    return this.#blocks.filter((block) => block.type === type);
  }

  #group(block: Block): Group {
    const said = new Map(block.body.attributes.map(({ name, value }) => [name, value]));
    for (const { name, place } of block.body.attributes) {
      if (name === "matrix" || name === "name") throw faultAt(place, `${name} is not supported for groups`);
      if (name !== "targets" && name !== "description") throw faultAt(place, `a group has no attribute "${name}"`);
    }
    const targets = said.get("targets");
    if (targets === undefined) throw faultAt(block.place, `group "${block.labels[0] ?? ""}" has no list of targets`);
    const description = said.get("description");
    return {
      ...(description === undefined ? {} : { description: toText(evaluate(description, this.#scope)) }),
      targets: [...new Set(decoded(targets, this.#scope, (value) => toList(value).map(toText)))],
    };
  }

  #all(): readonly Instance[] {
    return (this.#instances ??= this.#ofType("target").flatMap((block) => this.#instancesOf(block)));
  }

  #instancesOf(block: Block): readonly Instance[] {
    const [label = ""] = block.labels;
    const said = new Map(block.body.attributes.map((attribute) => [attribute.name, attribute]));
    const [matrix, name] = [said.get("matrix"), said.get("name")];
    if (matrix === undefined && name !== undefined) throw faultAt(name.place, "name requires matrix");
    const rows =
      matrix === undefined ? [new Map<string, Value>()] : matrixRows(matrix.value, evaluate(matrix.value, this.#scope));
    const instances = rows.map((row): Instance => {
      const scope = row.size === 0 ? this.#scope : withNames(this.#scope, row);
      const computed = name === undefined ? label : decoded(name.value, scope, toText);
      if (!NAME.test(computed)) throw faultAt(name?.place ?? block.place, `"${computed}" is no name of a target`);
      return { name: computed, label, block, scope, values: new Map() };
    });
    const twice = instances.find((one, at) => instances.findIndex((other) => other.name === one.name) !== at);
    if (twice !== undefined) throw faultAt(block.place, `duplicate name "${twice.name}"`);
    return instances;
  }

  #targetNames(): readonly string[] {
    return [...new Set(this.#all().map(({ name }) => name))];
  }

  #groupNames(): readonly string[] {
    return [...new Set(this.#ofType("group").map(({ labels }) => labels[0] ?? ""))];
  }

  #targetValue(name: string): Value {
    const instances = this.#all().filter((instance) => instance.name === name);
    const names = (): string[] => ["name", ...Object.keys(TARGET_FIELDS)];
    return new LazyMap(names, (field) => {
      if (field === "name" || !isFieldName(field)) return name;
      const last = instances.findLast(({ block }) =>
        block.body.attributes.some((attribute) => attribute.name === field),
      );
      return valueOfField(field, last === undefined ? undefined : this.#field(last, field));
    });
  }

  #groupValue(name: string): Value {
    const block = this.#ofType("group").findLast(({ labels }) => labels[0] === name);
    if (block === undefined) throw new BuildError("CONFIG", `there is no group "${name}"`);
    return new LazyMap(
      () => ["name", "description", "targets"],
      (field) => {
        const group = this.#group(block);
        return field === "targets" ? group.targets : field === "description" ? (group.description ?? "") : name;
      },
    );
  }

  #field({ name: target, block, scope, values }: Instance, name: FieldName): unknown {
    if (values.has(name)) return values.get(name);
    const expression = block.body.attributes.find((attribute) => attribute.name === name)?.value;
    if (expression === undefined) return undefined;
    const key = `${target}.${name}`;
    if (this.#pending.has(key)) throw faultAt(expression.place, `target.${key} needs itself`);
    this.#pending.add(key);
    try {
      const value = decoded(expression, scope, (it) => fieldOf(name).decode(it));
      values.set(name, value);
      return value;
    } finally {
      this.#pending.delete(key);
    }
  }
}

/** A value in the form that is wanted; what it is not is said at its place. */
function decoded<T>(expression: Expression, scope: Scope, decode: (value: Value) => T): T {
  const value = evaluate(expression, scope);
  try {
    return decode(value);
  } catch (error) {
    if (error instanceof BuildError && error.location === undefined)
      throw faultAt(expression.place, error.message, { cause: error });
    throw error;
  }
}

/** Every combination; the last name changes slowest. */
function matrixRows(expression: Expression, value: Value): readonly ValueMap[] {
  if (!isMap(value)) throw faultAt(expression.place, "matrix must be a map");
  return sortedEntries(value).reduce<ValueMap[]>(
    (rows, [key, items]) => {
      if (!isList(items) && !isMap(items)) throw faultAt(expression.place, "matrix values must be a list");
      const all = isList(items) ? items : sortedEntries(items).map(([, item]) => item);
      return all.flatMap((item) => rows.map((row) => new Map([...row, [key, item]])));
    },
    [new Map()],
  );
}
