// `--filter` of `du` and `prune` as buildx has it: `until=24h` and `unused-for=24h` are an age, everything else a field.

import { BuildError } from "../../../builder/core/errors.ts";

/** What the filters say together. */
export interface DiskFilter {
  /** Nothing that was used within so many ms; 0 where no age was given. */
  readonly keepMs: number;
  /** None, or one with all fields. */
  readonly filters: readonly string[];
}

const AGES = ["until", "unused-for"];

/** Reads the values of `--filter`; after a comma another field may follow, as there. Throws `USAGE`. */
export function parseDiskFilters(values: readonly string[]): DiskFilter {
  const ages: string[] = [];
  const fields: string[] = [];
  for (const value of values) {
    const [, name = "", operator = "", text = ""] = /^([\w-]+)(?:(==|!=|~=|=)(.*))?$/s.exec(value.trim()) ?? [];
    if (name === "") throw new BuildError("USAGE", `--filter: "${value}" is no filter`, { hint: "write NAME=VALUE" });
    if (AGES.includes(name)) ages.push(text);
    else if (operator === "") fields.push(name);
    // An id may be written by its beginning, as in buildx.
    else if (name === "id" && operator === "=") fields.push(`id~=${text.replace(/^"?/, "$&^")}`);
    else fields.push(`${name}${operator === "=" ? "==" : operator}${text}`);
  }
  const [age] = ages;
  if (ages.length > 1) throw new BuildError("USAGE", `--filter: only one age can be given, not ${ages.join(" and ")}`);
  return {
    keepMs: age === undefined ? 0 : parseDuration(age, "--filter"),
    filters: fields.length === 0 ? [] : [fields.join(",")],
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1e3, m: 60e3, h: 3600e3 };

/** "24h", "1h30m", "0": ms (Go's time.ParseDuration), and "7d". Throws `USAGE`. */
export function parseDuration(text: string, what: string): number {
  if (text === "0") return 0;
  let ms = 0;
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)/y;
  while (part.lastIndex < text.length) {
    const [, number = "", unit = ""] = part.exec(text) ?? [];
    if (unit === "") throw invalid(text, what);
    ms += Number(number) * (unit === "d" ? 24 * 3600e3 : (UNITS_MS[unit] ?? 0));
  }
  if (text === "") throw invalid(text, what);
  return ms;
}

function invalid(text: string, what: string): BuildError {
  return new BuildError("USAGE", `${what}: invalid duration "${text}"`, { hint: "write 24h, 90m or 1h30m" });
}
