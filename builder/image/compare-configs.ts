// What differs between what two images say of themselves: config fields, annotations.

import type { ImageConfig } from "../core/image-config.ts";
import { goJson } from "./json.ts";

/** One field that is not the same. `field` is its path in the format: `config.Env.PATH`, `config.Labels["a.b"]`. */
export interface FieldChange {
  readonly kind: "added" | "changed" | "deleted";
  readonly field: string;
  readonly before?: unknown;
  readonly after?: unknown;
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
  return [
    ...compareMaps("", topA, topB).filter(({ field }) => !left.has(field)),
    ...compareMaps("config.", splitMaps(runtimeA), splitMaps(runtimeB)),
    ...compareHistories(a.config, b.config, times),
    ...compareMaps("", splitMap("annotations", a.annotations), splitMap("annotations", b.annotations)),
  ];
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

// What both have at the beginning and at the end is the same story; between lies what one of them has, or, where it is
// as much on both sides, entries of which each differs in some fields.
function compareHistories(a: ImageConfig, b: ImageConfig, times: boolean): FieldChange[] {
  const told = (config: ImageConfig): Fields[] =>
    (config.history ?? []).map(({ created, ...rest }) =>
      times && created !== undefined ? { ...rest, created } : rest,
    );
  const [left, right] = [told(a), told(b)];
  const same = (i: number, j: number): boolean => canonical(left[i]) === canonical(right[j]);
  const shorter = Math.min(left.length, right.length);
  let head = 0;
  while (head < shorter && same(head, head)) head++;
  let tail = 0;
  while (tail < shorter - head && same(left.length - 1 - tail, right.length - 1 - tail)) tail++;
  if (left.length === right.length) {
    const pairs = left.slice(head, left.length - tail).map((before, at) => [before, right[head + at] ?? {}] as const);
    return pairs.flatMap(([before, after], at) => compareMaps(`history.${head + at}.`, before, after));
  }
  return [
    ...left.slice(head, left.length - tail).map((before, at): FieldChange => {
      return { kind: "deleted", field: `history.${head + at}`, before };
    }),
    ...right.slice(head, right.length - tail).map((after, at): FieldChange => {
      return { kind: "added", field: `history.${head + at}`, after };
    }),
  ];
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
