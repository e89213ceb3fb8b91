// Help texts, made of the tables that the grammar reads: what stands here works.

import type { Flag } from "./flags.ts";

/** The flags that work, one a line, by name. */
export function describeFlags(table: readonly Flag[]): string {
  const rows = table
    .filter((flag) => flag.state === "works")
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((flag) => {
      const short = flag.short === undefined ? "    " : `-${flag.short}, `;
      const value = flag.value === undefined ? "" : flag.bare === undefined ? ` ${flag.value}` : `[=${flag.value}]`;
      return { left: `  ${short}--${flag.name}${value}`, help: flag.help };
    });
  const width = Math.max(...rows.map((row) => row.left.length)) + 3;
  return rows.map((row) => `${row.left.padEnd(width)}${row.help}\n`).join("");
}
