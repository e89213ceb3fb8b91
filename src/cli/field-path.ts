// `--field`: one value out of JSON, by its path: `Config.Env[0]`, `.Config.Labels["org.opencontainers.image.title"]`.

import { BuildError } from "../../builder/core/errors.ts";
import { nearest } from "./nearest.ts";

/** The value at a path. Throws `USAGE` for what is no path, `INPUT_MISSING` when there is nothing there. */
export function fieldAt(json: unknown, path: string): unknown {
  let value = json;
  let walked = "";
  for (const part of parsePath(path)) {
    const place = walked === "" ? "it" : `"${walked}"`;
    const own = typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, part) : undefined;
    if (own === undefined) throw missing(path, place, part, value);
    value = own.value;
    walked += walked === "" ? part : `.${part}`;
  }
  return value;
}

/** A value as a script wants it: texts and numbers as they are, the rest as JSON. */
export function fieldText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A name, a number or a quoted name in brackets. The empty path is all of it. */
function parsePath(path: string): string[] {
  const parts: string[] = [];
  const token = /\.?([^.[\]"]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|^\.$/y;
  while (token.lastIndex < path.length) {
    const at = token.lastIndex;
    const [, name, number, quoted] = token.exec(path) ?? [undefined];
    if (token.lastIndex <= at) throw usage(path, at);
    const part = name ?? number ?? (quoted === undefined ? undefined : unquote(quoted));
    if (part !== undefined) parts.push(part);
  }
  return parts;
}

function unquote(quoted: string): string | undefined {
  try {
    const text: unknown = JSON.parse(quoted);
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined;
  }
}

function usage(path: string, at: number): BuildError {
  return new BuildError("USAGE", `--field: "${path}" is not a path: it breaks at "${path.slice(at)}"`, {
    hint: 'write Config.Env[0] or Config.Labels["a.b"]',
  });
}

function missing(path: string, place: string, part: string, value: unknown): BuildError {
  const names = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
  const near = nearest(part, names);
  const has = Array.isArray(value)
    ? `${place} has ${value.length}`
    : names.length > 0
      ? `${place} has ${names.join(", ")}`
      : undefined;
  return new BuildError("INPUT_MISSING", `--field ${path}: ${place} has no "${part}"`, {
    hint: near === undefined ? has : `did you mean ${near}?`,
  });
}
