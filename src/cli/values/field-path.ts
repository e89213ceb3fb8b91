// `--field`, and the paths in templates: one value out of JSON, by its path: `Config.Env[0]`, `.Config.Labels["org.opencontainers.image.title"]`.

import { BuildError } from "../../../builder/core/errors.ts";
import { nearest } from "../nearest.ts";

/** The value at a path that a flag gives. Throws `USAGE` for what is no path, `INPUT_MISSING` when there is nothing there. */
export function fieldAt(json: unknown, path: string, flag = "--field"): unknown {
  let value = json;
  let walked = "";
  for (const part of parsePath(path, flag)) {
    const place = walked === "" ? "it" : `"${walked}"`;
    const own = typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, part) : undefined;
    if (own === undefined) throw missing(`${flag} ${path}`, { place, part, value });
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
function parsePath(path: string, flag: string): string[] {
  const parts: string[] = [];
  const token = /\.?([^.[\]"]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|^\.$/y;
  while (token.lastIndex < path.length) {
    const at = token.lastIndex;
    const [, name, number, quoted] = token.exec(path) ?? [undefined];
    if (token.lastIndex <= at) throw usage(path, { at, flag });
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

function usage(path: string, { at, flag }: { readonly at: number; readonly flag: string }): BuildError {
  return new BuildError("USAGE", `${flag}: "${path}" is not a path: it breaks at "${path.slice(at)}"`, {
    hint: 'write Config.Env[0] or Config.Labels["a.b"]',
  });
}

interface Gap {
  readonly place: string;
  readonly part: string;
  readonly value: unknown;
}

function missing(asked: string, { place, part, value }: Gap): BuildError {
  const names = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
  const near = nearest(part, names);
  const has = Array.isArray(value)
    ? `${place} has ${value.length}`
    : names.length > 0
      ? `${place} has ${names.join(", ")}`
      : undefined;
  return new BuildError("INPUT_MISSING", `${asked}: ${place} has no "${part}"`, {
    hint: near === undefined ? has : `did you mean ${near}?`,
  });
}
