// Durations as Go writes them: "1h15m30.918s", "-1.5h", "300ms" (time.ParseDuration).

import { quote } from "./convert/config/go-text.ts";

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);
const MAX = 1n << 63n;
const PART = /^(\d*)(?:\.(\d*))?/;

/** Reads a duration, in nanoseconds. Throws a plain Error with Go's text. */
export function parseDuration(text: string): number {
  const isNegative = text.startsWith("-");
  let rest = /^[+-]/.test(text) ? text.slice(1) : text;
  if (rest === "0") return 0;
  if (rest === "") throw invalid(text);
  let total = 0n;
  while (rest !== "") {
    const [number = "", whole = "", fraction = ""] = PART.exec(rest) ?? [];
    if (whole === "" && fraction === "") throw invalid(text);
    rest = rest.slice(number.length);
    const name = /^[^.0-9]*/.exec(rest)?.[0] ?? "";
    if (name === "") throw new Error(`time: missing unit in duration ${quote(text)}`);
    const unit = UNITS.get(name);
    if (unit === undefined) throw new Error(`time: unknown unit ${quote(name)} in duration ${quote(text)}`);
    rest = rest.slice(name.length);
    total += toNanoseconds(whole, fraction, unit);
    if (total > MAX) throw invalid(text);
  }
  if (!isNegative && total === MAX) throw invalid(text);
  return isNegative ? -Number(total) : Number(total);
}

/** Digits of a fraction beyond nanoseconds are cut off. */
function toNanoseconds(whole: string, fraction: string, unit: bigint): bigint {
  // More than 20 digits cannot fit, and a long number would be slow to read.
  const digits = whole.replace(/^0+/, "");
  if (digits.length > 20) return MAX + 1n;
  const parts = fraction.slice(0, 18);
  return BigInt(digits || "0") * unit + (BigInt(parts || "0") * unit) / 10n ** BigInt(parts.length);
}

function invalid(text: string): Error {
  return new Error(`time: invalid duration ${quote(text)}`);
}
