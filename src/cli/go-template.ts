// The little of Go's templates that `--format` of docker's lists is used for: `{{.Field}}`, `{{json .}}`, `{{json .Field}}`.

import { BuildError } from "../../builder/core/errors.ts";

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
  const parts: ((row: TemplateFields) => string)[] = [];
  let end = 0;
  const literal = (piece: string): void => {
    const shown = piece.replace(/\\([nt])/g, (_, letter: string) => ESCAPES[letter] ?? "");
    parts.push(() => shown);
  };
  for (const match of text.matchAll(ACTION)) {
    literal(text.slice(end, match.index));
    end = match.index + match[0].length;
    const [, json, field] = /^(json\s+)?\.(\w*)$/.exec(match[1] ?? "") ?? [];
    if (field === undefined || (field === "" && json === undefined))
      throw new BuildError("USAGE", `--format: "${match[0]}" is not supported`, {
        hint: "{{.Field}}, {{json .Field}} and {{json .}} are",
      });
    const name = known(field);
    if (json === undefined) parts.push((row) => String(row[name] ?? ""));
    else parts.push((row) => JSON.stringify(name === "" ? row : row[name]));
  }
  literal(text.slice(end));
  return (row) => parts.map((part) => part(row)).join("");
}
