// `--print` and `--list`: what would be built, and what the files offer (buildx, commands/bake.go).

import { BuildError } from "../../builder/core/errors.ts";
import { parseCsv } from "../cli/values/csv.ts";
import { goJson } from "./go-json.ts";
import type { Value } from "./hcl/value.ts";
import { compareText, toJson, toText } from "./hcl/value.ts";
import { typeText } from "./hcl/types.ts";
import type { Selection } from "./resolve.ts";
import type { FileScope } from "./scope.ts";
import type { Definition, Group } from "./target.ts";
import { printTarget } from "./target.ts";

/** The targets as a definition in JSON that gives the same again. */
export function printed({ groups, targets }: Selection): string {
  return `${goJson({
    ...(groups.size === 0 ? {} : { group: sorted(groups, printGroup) }),
    target: sorted(targets, printTarget),
  })}\n`;
}

function printGroup({ description, targets }: Group): object {
  return { ...(description ? { description } : {}), targets };
}

function sorted<T>(map: ReadonlyMap<string, T>, print: (value: T) => unknown): object {
  const entries = [...map].toSorted(([a], [b]) => compareText(a, b));
  return Object.fromEntries(entries.map(([name, value]) => [name, print(value)]));
}

/** What `--list` asks for. */
export interface ListSpec {
  readonly type: "targets" | "variables";
  readonly format: "table" | "json";
}

/** `targets`, or `type=variables,format=json`. Throws `USAGE`. */
export function parseList(text: string): ListSpec {
  const fields = new Map(
    parseCsv(text, "--list").map((field) => {
      const [key = "", value] = field.split(/=(.*)/s);
      return value === undefined ? (["type", field] as const) : ([key.trim().toLowerCase(), value] as const);
    }),
  );
  for (const key of fields.keys())
    if (key !== "type" && key !== "format")
      throw new BuildError("USAGE", `--list: unexpected key "${key}" in "${text}"`);
  const [type = "", format = "table"] = [fields.get("type"), fields.get("format")];
  if (type !== "targets" && type !== "variables")
    throw new BuildError("USAGE", `--list: invalid list type "${type}"`, { hint: "types are targets and variables" });
  if (format !== "table" && format !== "json")
    throw new BuildError("USAGE", `--list: invalid list format "${format}"`, { hint: "formats are table and json" });
  return { type, format };
}

/** Targets and groups, but not those that begin with "_". */
export function targetList({ groups, targets }: Definition, format: ListSpec["format"]): string {
  const rows = [
    ...[...targets].map(([name, { description = "" }]) => ({ name, description, group: false, shown: description })),
    ...[...groups].map(([name, { description = "", targets: inner }]) => {
      const names = inner.toSorted(compareText).join(", ");
      return { name, description: withNames(description, names), group: true, shown: withNames(description, names) };
    }),
  ]
    .filter(({ name }) => !name.startsWith("_"))
    .toSorted((a, b) => compareText(a.name, b.name));
  if (format === "table")
    return table(
      ["TARGET", "DESCRIPTION"],
      rows.map(({ name, shown }) => [name, shown]),
    );
  const items = rows.map(({ name, description, group }) => ({
    name,
    ...(description === "" ? {} : { description }),
    ...(group ? { group } : {}),
  }));
  return `${goJson(items.length === 0 ? null : items)}\n`;
}

function withNames(description: string, names: string): string {
  if (names === "") return description;
  return description === "" ? names : `${description} (${names})`;
}

/** Variables with the value that they have. */
export function variableList(scope: FileScope, format: ListSpec["format"]): string {
  const rows = [...scope.variables.values()]
    .map(({ name, description, type }) => {
      const value = scope.variable(name) ?? null;
      return { name, description, type: type === undefined ? "" : typeText(type), value: shownValue(value) };
    })
    .toSorted((a, b) => compareText(a.name, b.name));
  if (format === "table") {
    const cells = rows.map(({ name, type, value, description }) => [name, type, value ?? "<null>", description]);
    return table(["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"], cells);
  }
  const items = rows.map(({ name, description, type, value }) => ({
    name,
    ...(description === "" ? {} : { description }),
    ...(type === "" ? {} : { type }),
    ...(value === undefined ? {} : { value }),
  }));
  return `${goJson(items)}\n`;
}

function shownValue(value: Value): string | undefined {
  if (value === null) return undefined;
  return typeof value === "object" ? JSON.stringify(toJson(value)) : toText(value);
}

/** Columns that are filled up with tabs to multiples of eight (Go, text/tabwriter). */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => [...(cells[column] ?? "")].length)));
  const cell = (text: string, column: number, isLast: boolean): string => {
    if (isLast) return text;
    const width = Math.ceil(((widths[column] ?? 0) + 1) / 8) * 8;
    return text + "\t".repeat(Math.ceil((width - [...text].length) / 8));
  };
  return lines
    .map((cells) => `${cells.map((text, column) => cell(text, column, column === cells.length - 1)).join("")}\n`)
    .join("");
}
