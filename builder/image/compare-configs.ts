// What differs between what two images say of themselves: config fields, annotations.

import { alignLists } from "../core/align.ts";
import type { ImageConfig } from "../core/image/image-config.ts";
import { fieldInstruction } from "./history.ts";
import { goJson } from "./json.ts";

/** One field that is not the same. `field` is its path in the format: `config.Env.PATH`, `config.Labels["a.b"]`. */
export interface FieldChange {
  readonly kind: "added" | "changed" | "deleted";
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
  /** The last one that sets it, as the history of the image has it that holds the field; undefined where it names none. */
  readonly instruction?: string;
}

/** What is compared: the config, and the annotations of the manifest. */
export interface ImageStatement {
  readonly config: ImageConfig;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Compares by field; lists of variables, maps of labels, ports and volumes by key. `times`: whether times count. rootfs is left to the comparison of layers. */
export function compareStatements(a: ImageStatement, b: ImageStatement, times: boolean): FieldChange[] {
  const { config: runtimeA = {}, ...topA } = a.config;
  const { config: runtimeB = {}, ...topB } = b.config;
  const left = new Set(times ? ["rootfs", "history"] : ["rootfs", "history", "created"]);
  const changes = [
    ...compareMaps("", topA, topB).filter(({ field }) => !left.has(field)),
    ...compareMaps("config.", splitMaps(runtimeA), splitMaps(runtimeB)),
    ...compareHistories(a.config, b.config, times),
    ...compareMaps("", splitMap("annotations", a.annotations), splitMap("annotations", b.annotations)),
  ];
  return changes.map((change) => {
    const instruction = fieldInstruction((change.kind === "deleted" ? a : b).config, change.field);
    return instruction === undefined ? change : { ...change, instruction };
  });
}

type Fields = Readonly<Record<string, unknown>>;

function compareMaps(prefix: string, a: Fields, b: Fields): FieldChange[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return names.flatMap((name): FieldChange[] => {
    const [before, after] = [own(a, name), own(b, name)];
    const field = `${prefix}${name}`;
    if (before === undefined && after === undefined) return [];
    if (before === undefined) return [{ kind: "added", field, after }];
    if (after === undefined) return [{ kind: "deleted", field, before }];
    return canonical(before) === canonical(after) ? [] : [{ kind: "changed", field, before, after }];
  });
}

/** A field of the map itself: a label may be called "constructor". */
function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** The runtime part with its variables and maps laid open. */
function splitMaps(runtime: NonNullable<ImageConfig["config"]>): Fields {
  const { Env = [], ExposedPorts = {}, Volumes = {}, Labels = {}, ...others } = runtime;
  const variables = Env.map((entry): [string, string] => {
    const equals = entry.indexOf("=");
    return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
  });
  return {
    ...others,
    ...splitMap("Env", Object.fromEntries(variables)),
    ...splitMap("ExposedPorts", ExposedPorts),
    ...splitMap("Volumes", Volumes),
    ...splitMap("Labels", Labels),
  };
}

function splitMap(name: string, map: Fields): Fields {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [fieldOf(name, key), value]));
}

function fieldOf(name: string, key: string): string {
  return /^\w+$/.test(key) ? `${name}.${key}` : `${name}[${JSON.stringify(key)}]`;
}

// Entries that are equal, or else of the same instruction, belong together; so do those left between them where it is as
// much on both sides.
function compareHistories(a: ImageConfig, b: ImageConfig, times: boolean): FieldChange[] {
  const told = ({ history = [] }: ImageConfig): { readonly at: number; readonly entry: Fields }[] =>
    history.map(({ created, ...rest }, at) => ({
      at,
      entry: times && created !== undefined ? { ...rest, created } : rest,
    }));
  const pairs = alignLists(
    told(a),
    told(b),
    ({ entry }) => canonical(entry),
    ({ entry }) => canonical(entry["created_by"] ?? ""),
  );
  return pairs.flatMap(({ a: before, b: after }): FieldChange[] => {
    if (before === undefined) return after ? [{ kind: "added", field: `history.${after.at}`, after: after.entry }] : [];
    if (after === undefined) return [{ kind: "deleted", field: `history.${before.at}`, before: before.entry }];
    return compareMaps(`history.${before.at}.`, before.entry, after.entry);
  });
}

/** Text that is equal for equal values, whatever the order of their fields. */
function canonical(value: unknown): string {
  const sorted = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(sorted);
    if (typeof inner !== "object" || inner === null) return inner;
    return Object.fromEntries(
      Object.entries(inner)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, one]) => [key, sorted(one)]),
    );
  };
  return goJson({ value: sorted(value) });
}
