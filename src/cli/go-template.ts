// The little of Go's templates that `--format` is used for. In docker's lists: `{{.Field}}`, `{{json .}}`,
// `{{json .Field}}`; in docker's and skopeo's inspect paths too, and index, len and join.

import { BuildError } from "../../builder/core/errors.ts";
import { fieldAt } from "./values/field-path.ts";

/** One row of a list; `json .` gives all of it. */
export type TemplateFields = Readonly<Record<string, string | number>>;

const ACTION = /\{\{-?\s*(.*?)\s*-?\}\}/gs;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t" };

/** Reads a template. Throws `USAGE` for what is not among the fields, or is more than this. */
export function parseTemplate(text: string, fields: readonly string[]): (row: TemplateFields) => string {
  const known = (name: string): string => {
    if (name === "" || fields.includes(name)) return name;
    throw new BuildError("USAGE", `--format: there is no field ".${name}"`, {
      hint: `fields are ${fields.map((field) => `.${field}`).join(", ")}`,
    });
  };
  return compile(text, (action, whole) => {
    const [, json, field] = /^(json\s+)?\.(\w*)$/.exec(action) ?? [];
    if (field === undefined || (field === "" && json === undefined))
      throw unsupported(whole, "{{.Field}}, {{json .Field}} and {{json .}} are");
    const name = known(field);
    if (json === undefined) return (row) => String(row[name] ?? "");
    return (row) => JSON.stringify(name === "" ? row : row[name]);
  });
}

/** Reads a template over JSON of any shape, whose values print as Go prints them. Throws `USAGE`; so does what it returns, for a field that is not there. */
export function parseValueTemplate(text: string): (json: unknown) => string {
  return compile(text, (action, whole) => {
    const [, call, path = "", rest = ""] =
      /^(?:(json|index|len|join)\s+)?(\.[^\s()|]*)((?:\s+(?:\d+|"(?:[^"\\]|\\.)*"))*)$/s.exec(action) ?? [];
    const isPlain = call === undefined || call === "json" || call === "len";
    const operands = [...rest.matchAll(/\d+|"(?:[^"\\]|\\.)*"/g)].map(([operand]): unknown => JSON.parse(operand));
    if (path === "" || (isPlain && operands.length > 0) || (call === "join" && operands.length !== 1))
      throw unsupported(
        whole,
        '{{.A.B}}, {{json .A}}, {{index .A 0}}, {{len .A}} and {{join .A ","}} are; else take --json, and jq',
      );
    return (json) => {
      if (call === "index") return goText(operands.reduce(member, present(json, path)));
      const value = fieldAt(json, path, "--format");
      if (call === "json") return JSON.stringify(value);
      const list = Array.isArray(value) ? (value as readonly unknown[]) : undefined;
      if (call === "join") return (list ?? [value]).map(goText).join(String(operands[0]));
      return call === "len" ? `${sizeOf(value)}` : goText(value);
    };
  });
}

type Part<T> = (from: T) => string;

function compile<T>(text: string, action: (inner: string, whole: string) => Part<T>): Part<T> {
  const parts: Part<T>[] = [];
  let end = 0;
  const literal = (piece: string): void => {
    const shown = piece.replace(/\\([nt])/g, (_, letter: string) => ESCAPES[letter] ?? "");
    parts.push(() => shown);
  };
  for (const match of text.matchAll(ACTION)) {
    literal(text.slice(end, match.index));
    end = match.index + match[0].length;
    parts.push(action(match[1] ?? "", match[0]));
  }
  literal(text.slice(end));
  return (from) => parts.map((part) => part(from)).join("");
}

function unsupported(action: string, hint: string): BuildError {
  return new BuildError("USAGE", `--format: "${action}" is not supported`, { hint });
}

/** What a path leads to; undefined where there is nothing, as in a map without the key. */
function present(json: unknown, path: string): unknown {
  try {
    return fieldAt(json, path, "--format");
  } catch (error) {
    if (error instanceof BuildError && error.code === "INPUT_MISSING") return undefined;
    throw error;
  }
}

function member(value: unknown, key: unknown): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, String(key))?.value;
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  return typeof value === "object" && value !== null ? Object.keys(value).length : 0;
}

/** As Go's %v has it: `[a b]`, `map[k:v]`. */
function goText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return `[${value.map(goText).join(" ")}]`;
  if (typeof value === "string") return value;
  if (typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `map[${members.map(([key, one]) => `${key}:${goText(one)}`).join(" ")}]`;
}
