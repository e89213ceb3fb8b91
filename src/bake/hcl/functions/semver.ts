// Versions and what they must satisfy (Masterminds/semver, which buildx compares with): ">= 1.2, < 2 || ~3.1".

import { BuildError } from "../../../../builder/core/errors.ts";

interface Version {
  readonly numbers: readonly [number, number, number];
  readonly pre: string;
  /** How many of the three were written. */
  readonly written: number;
}

const PATTERN = /^v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;

/** Whether the version satisfies the constraint. Throws `CONFIG` for text that is neither. */
export function satisfies(version: string, constraint: string): boolean {
  const found = parseVersion(version);
  if (found.written === 0) throw new BuildError("CONFIG", `"${version}" is no version`);
  return constraint
    .split("||")
    .some((any) => conditions(any).every(([operator, wanted]) => holds(found, operator, wanted)));
}

function parseVersion(text: string): Version {
  const [all, ...parts] = PATTERN.exec(text.trim()) ?? [];
  if (all === undefined) throw new BuildError("CONFIG", `"${text}" is no version`);
  const pre = parts[3] ?? "";
  const given = parts.slice(0, 3);
  const wild = given.findIndex((part) => part === undefined || /^[xX*]$/.test(part));
  const written = wild < 0 ? 3 : wild;
  const number = (at: number): number => (at < written ? Number(given[at]) : 0);
  return { numbers: [number(0), number(1), number(2)], pre, written };
}

function conditions(text: string): readonly (readonly [string, Version])[] {
  // "1.2 - 2.3" is a range.
  const [, low, high] = /^\s*(\S+)\s+-\s+(\S+)\s*$/.exec(text) ?? [];
  const single = low === undefined || high === undefined ? text : `>=${low},<=${high}`;
  const parts = single.match(/(=|!=|>=|=>|<=|=<|>|<|~>|~|\^)?\s*[^\s,=!<>~^]+/g);
  if (parts === null) throw new BuildError("CONFIG", `"${text.trim()}" is no constraint of versions`);
  return parts.map((part) => {
    const [, operator = "", version = ""] = /^([=!<>~^]*)\s*(.+)$/.exec(part) ?? [];
    return [operator, parseVersion(version)] as const;
  });
}

function holds(version: Version, operator: string, wanted: Version): boolean {
  // A version before its release satisfies only what names one.
  if (version.pre !== "" && wanted.pre === "") return false;
  const order = compare(version, wanted);
  const next = (place: number): boolean => compare(version, raised(wanted, place)) < 0;
  switch (operator) {
    case "":
    case "=":
      return wanted.written === 3 ? order === 0 : order >= 0 && (wanted.written === 0 || next(wanted.written - 1));
    case "!=":
      return wanted.written === 3 ? order !== 0 : order < 0 || (wanted.written > 0 && !next(wanted.written - 1));
    case ">":
      return wanted.written === 3 ? order > 0 : wanted.written > 0 && !next(wanted.written - 1) && order > 0;
    case ">=":
    case "=>":
      return order >= 0;
    case "<":
      return order < 0;
    case "<=":
    case "=<":
      return order <= 0 || (wanted.written < 3 && (wanted.written === 0 || next(wanted.written - 1)));
    case "~":
    case "~>":
      return wanted.written === 0 || (order >= 0 && next(wanted.written === 1 ? 0 : 1));
    case "^": {
      if (wanted.written === 0) return true;
      const first = wanted.numbers.findIndex((number) => number > 0);
      return order >= 0 && next(first < 0 ? wanted.written - 1 : Math.min(first, wanted.written - 1));
    }
    default:
      throw new BuildError("CONFIG", `"${operator}" compares no versions`);
  }
}

/** The lowest version that differs at that place. */
function raised({ numbers: [major, minor, patch] }: Version, place: number): Version {
  const numbers = [
    [major + 1, 0, 0],
    [major, minor + 1, 0],
    [major, minor, patch + 1],
  ][place] as [number, number, number]; // there are three places
  return { numbers, pre: "", written: 3 };
}

function compare(a: Version, b: Version): number {
  for (const at of [0, 1, 2] as const) if (a.numbers[at] !== b.numbers[at]) return a.numbers[at] - b.numbers[at];
  if (a.pre === b.pre) return 0;
  if (a.pre === "" || b.pre === "") return a.pre === "" ? 1 : -1;
  const [x, y] = [a.pre.split("."), b.pre.split(".")];
  for (let at = 0; ; at++) {
    const [left, right] = [x[at], y[at]];
    if (left === undefined || right === undefined) return x.length - y.length;
    if (left === right) continue;
    const [isNumber, isOther] = [/^\d+$/.test(left), /^\d+$/.test(right)];
    if (isNumber && isOther) return Number(left) - Number(right);
    if (isNumber !== isOther) return isNumber ? -1 : 1;
    return left < right ? -1 : 1;
  }
}
