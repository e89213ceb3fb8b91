// `--format` of listings: `json`, `table …` and templates of Go's text/template as far as people use them for columns:
// {{.Field}}, {{json .}}, {{json .Field}}, and \t and \n.

import { BuildError } from "../../builder/core/errors.ts";

/** A template over rows with these fields. */
export type RowTemplate =
  | { readonly kind: "json" }
  | { readonly kind: "lines"; readonly line: (row: Readonly<Record<string, string>>) => string }
  /** Cells of one row; the template's fields are the headings. */
  | {
      readonly kind: "table";
      readonly headings: readonly string[];
      readonly cells: (row: Readonly<Record<string, string>>) => readonly string[];
    };

/** Reads a template. Throws `USAGE` for a field that is none, `UNSUPPORTED` for actions beyond fields. */
export function parseRowTemplate(text: string, fields: Readonly<Record<string, string>>): RowTemplate {
  if (text === "json" || /^\{\{\s*json\s+\.\s*\}\}$/.test(text)) return { kind: "json" };
  const isTable = text.startsWith("table ") || text === "table";
  const template = (isTable ? text.slice("table ".length) : text).replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  if (!isTable) return { kind: "lines", line: (row) => fill(template, row, fields) };
  const columns = template.split("\t");
  return {
    kind: "table",
    headings: columns.map((column) => fill(column, fields, fields)),
    cells: (row) => columns.map((column) => fill(column, row, fields)),
  };
}

function fill(
  template: string,
  row: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, string>>,
): string {
  return template.replace(/\{\{(.*?)\}\}/gs, (_, action: string) => {
    const [, json, field] = /^\s*-?\s*(json\s+)?\.(\w+)\s*-?\s*$/.exec(action) ?? [];
    if (field === undefined)
      throw new BuildError("UNSUPPORTED", `--format: "{{${action}}}" is more than a field`, {
        hint: "or take --json, and jq",
      });
    const value = row[field];
    if (value === undefined) {
      throw new BuildError("USAGE", `--format: there is no field "${field}"`, {
        hint: `fields are ${Object.keys(fields).join(", ")}`,
      });
    }
    return json === undefined ? value : JSON.stringify(value);
  });
}
