// Compose files as plain data: read, interpolated, extended and merged (compose-spec, 13-merge.md and 05-services.md).

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Document, ScalarTag } from "yaml";
import { LineCounter, parseDocument, visit } from "yaml";
import { BuildError, asBuildError } from "../../../builder/core/errors.ts";
import type { SourceFile } from "../hcl/source.ts";
import { faultAt } from "../hcl/source.ts";
import type { LookUp } from "./interpolate.ts";
import { interpolate } from "./interpolate.ts";

/** What YAML can say. */
export type Data = null | string | number | boolean | readonly Data[] | DataMap;
export interface DataMap {
  readonly [key: string]: Data;
}

/** Maps with names in lists' form: "NAME=value". */
const AS_MAPS = new Set(["args", "labels", "environment", "additional_contexts", "extra_hosts"]);
const DEEPEST = 20;

/** A number that begins with 0, as compose's reader of YAML has it. */
const OCTAL: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0[0-7]+$/,
  resolve: (text) => Number.parseInt(text, 8),
};

/** One file. Throws `CONFIG`. */
export function readModel(file: SourceFile, lookUp: LookUp): DataMap {
  const lines = new LineCounter();
  // Aliases are counted so that a small file cannot become a huge one.
  const document = parseDocument(file.text, {
    merge: true,
    lineCounter: lines,
    customTags: (tags) => [OCTAL, ...tags],
  });
  const [error] = document.errors;
  if (error !== undefined)
    throw faultAt({ file, start: error.pos[0], end: error.pos[1] }, error.message.split("\n")[0] ?? "", {
      cause: error,
    });
  markTags(document);
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 1000 });
  } catch (cause) {
    throw new BuildError("CONFIG", `${file.name}: ${asBuildError(cause).message}`, { cause });
  }
  if (data === null || data === undefined) throw new BuildError("CONFIG", `${file.name}: empty compose file`);
  try {
    return mapOf(interpolated(data as Data, lookUp), file.name);
  } catch (cause) {
    throw new BuildError("CONFIG", `${file.name}: ${asBuildError(cause).message}`, { cause });
  }
}

/** What `!reset` and `!override` stand before is marked by a key that no file can have (compose-spec, 13-merge.md). */
const REPLACES = "\0replaces";

function markTags(document: Document): void {
  visit(document, {
    Node: (_key, node) => {
      if (node.tag !== "!reset" && node.tag !== "!override") return undefined;
      const isReset = node.tag === "!reset";
      delete node.tag;
      return document.createNode({ [REPLACES]: isReset ? null : node });
    },
  });
}

/** Without the marks, where there is nothing to be replaced. */
function unmarked(data: Data): Data {
  if (isList(data)) return data.map(unmarked);
  if (!isMap(data)) return data;
  const replacement = data[REPLACES];
  if (replacement !== undefined) return unmarked(replacement);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, unmarked(value)]));
}

function interpolated(data: Data, lookUp: LookUp): Data {
  if (typeof data === "string") return interpolate(data, lookUp);
  if (isList(data)) return data.map((item) => interpolated(item, lookUp));
  if (!isMap(data)) return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, interpolated(value, lookUp)]));
}

/** `after` over `before`: maps by key, lists one behind the other. */
export function mergeData(before: Data | undefined, after: Data, key = ""): Data {
  if (before === undefined || before === null || (isMap(after) && REPLACES in after)) return unmarked(after);
  if (AS_MAPS.has(key)) return { ...pairs(before, key), ...pairs(after, key) };
  if (isMap(before) && isMap(after)) {
    const merged: Record<string, Data> = { ...before };
    for (const [name, value] of Object.entries(after)) merged[name] = mergeData(merged[name], value, name);
    return merged;
  }
  // A build that is a text is its context.
  if (key === "build") return mergeData(asBuild(before), asBuild(after));
  return isList(before) && isList(after) ? [...before, ...after.filter((item) => !before.includes(item))] : after;
}

function asBuild(data: Data): Data {
  return typeof data === "string" ? { context: data } : data;
}

/** A map, also where it is written as a list of NAME=value; a name alone has null. */
export function pairs(data: Data | undefined, what: string): Readonly<Record<string, Data>> {
  if (data === undefined || data === null) return {};
  if (isMap(data)) return data;
  return Object.fromEntries(
    listOf(data, what).map((item) => {
      const [, name = "", value] =
        (what === "extra_hosts" ? /^([^=:]+)[=:](.*)$/s : /^([^=]+)(?:=(.*))?$/s).exec(textOf(item, what)) ?? [];
      return [name, value ?? null];
    }),
  );
}

/** Services with what they extend. Throws `CONFIG`. */
export function extended(model: DataMap, file: SourceFile, lookUp: LookUp, depth = 0): DataMap {
  const services = mapOf(model["services"] ?? {}, "services");
  const resolve = (name: string, seen: readonly string[]): DataMap => {
    if (seen.includes(name) || depth > DEEPEST) throw new BuildError("CONFIG", `service "${name}" extends itself`);
    const service = mapOf(services[name] ?? {}, `service "${name}"`);
    const base = service["extends"];
    if (base === undefined || base === null) return service;
    const from = typeof base === "string" ? { service: base } : mapOf(base, `extends of service "${name}"`);
    const other = textOf(from["service"] ?? "", "extends");
    const path = from["file"] === undefined ? undefined : textOf(from["file"] ?? "", "extends");
    const parent = path === undefined ? parentHere(other, seen) : parentIn(join(dirname(file.name), path), other);
    const { extends: _, ...own } = service;
    return mapOf(mergeData(parent, own), name);
    function parentHere(wanted: string, before: readonly string[]): DataMap {
      if (services[wanted] === undefined)
        throw new BuildError("CONFIG", `service "${name}" extends "${wanted}", which there is not`);
      return resolve(wanted, [...before, name]);
    }
  };
  const parentIn = (path: string, name: string): DataMap => {
    const text = readText(path);
    const parent = { name: path, text };
    const inner = extended(readModel(parent, lookUp), parent, lookUp, depth + 1);
    return mapOf(mapOf(inner["services"] ?? {}, "services")[name] ?? {}, `service "${name}" of ${path}`);
  };
  return { ...model, services: Object.fromEntries(Object.keys(services).map((name) => [name, resolve(name, [])])) };
}

/** A file that another one names. Throws `INPUT_MISSING`. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new BuildError("INPUT_MISSING", `the compose file "${path}" cannot be read`, { cause, hint: String(cause) });
  }
}

export function isMap(data: Data | undefined): data is DataMap {
  return typeof data === "object" && data !== null && !Array.isArray(data);
}

function isList(data: Data | undefined): data is readonly Data[] {
  return Array.isArray(data);
}

/** Throws `CONFIG` for what is no map. */
export function mapOf(data: Data, what: string): DataMap {
  if (isMap(data)) return data;
  throw new BuildError("CONFIG", `${what} must be a mapping`);
}

/** A list; a text or number alone is one of one. Throws `CONFIG` for a map. */
export function listOf(data: Data | undefined, what: string): readonly Data[] {
  if (data === undefined || data === null) return [];
  if (isList(data)) return data;
  if (isMap(data)) throw new BuildError("CONFIG", `${what} must be a list`);
  return [data];
}

/** Throws `CONFIG` for a list or map. */
export function textOf(data: Data, what: string): string {
  if (typeof data === "object") throw new BuildError("CONFIG", `${what} must be a string`);
  return String(data);
}
