// Tables: columns as wide as what stands in them, two or more spaces between.

import type { RowTemplate } from "../cli/row-template.ts";
import { columns } from "../progress/terminal-text.ts";

export interface TableOptions {
  /** Numbers of columns whose cells stand at the right. */
  readonly right?: readonly number[];
}

/** Rows of cells, the first one the heading. Cells must be printable; the last column may be as long as it likes. */
export function formatTable(rows: readonly (readonly string[])[], { right = [] }: TableOptions = {}): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((cells) => columns(cells[at] ?? ""))));
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, at) => pad(cell, widths[at] ?? 0, right.includes(at)))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** Rows in the form that `--format` asks for. */
export function formatRows(rows: readonly Readonly<Record<string, string>>[], template: RowTemplate): string {
  switch (template.kind) {
    case "json":
      return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    case "lines":
      return rows.map((row) => `${template.line(row)}\n`).join("");
    case "table":
      return formatTable([template.headings, ...rows.map((row) => template.cells(row))]);
  }
}

function pad(cell: string, width: number, atRight: boolean): string {
  const spaces = " ".repeat(Math.max(0, width - columns(cell)));
  return atRight ? `${spaces}${cell}` : `${cell}${spaces}`;
}
