// `format` and `formatlist` (go-cty, function/stdlib: format.go): Go's verbs.

import { BuildError } from "../../../../builder/core/errors.ts";
import type { HclFunction } from "../evaluate.ts";
import type { Value } from "../value.ts";
import { formatNumber, isList, toBool, toJson, toNumber, toText } from "../value.ts";

export const FORMAT_FUNCTIONS: Readonly<Record<string, HclFunction>> = {
  format: (pattern = null, ...args) => format(toText(pattern), args),
  formatlist: (pattern = null, ...args) => {
    const lengths = args.filter(isList).map((list) => list.length);
    const length = lengths[0] ?? 1;
    if (lengths.some((other) => other !== length)) throw new BuildError("CONFIG", "the lists differ in length");
    return Array.from({ length }, (_, at) =>
      format(
        toText(pattern),
        args.map((arg) => (isList(arg) ? (arg[at] ?? null) : arg)),
      ),
    );
  },
};

const VERB = /%(%|([-+ #0]*)(\d+)?(?:\.(\d+))?(?:\[(\d+)\])?([a-zA-Z]))/g;

function format(pattern: string, args: readonly Value[]): string {
  let at = 0;
  let highest = 0;
  const text = pattern.replace(
    VERB,
    (all: string, whole: string, ...[flags = "", width, precision, index, verb = ""]: (string | undefined)[]) => {
      if (whole === "%") return "%";
      if (index !== undefined) at = Number(index) - 1;
      const value = args[at++];
      highest = Math.max(highest, at);
      if (value === undefined) throw new BuildError("CONFIG", `not enough arguments for "${all}"`);
      return padded(verbText(verb, value, flags, precision, all), flags, Number(width ?? 0), verb);
    },
  );
  if (highest < args.length) throw new BuildError("CONFIG", `too many arguments; only ${highest} used by the format`);
  return text;
}

function verbText(verb: string, value: Value, flags: string, precision: string | undefined, all: string): string {
  const number = (text: string): string => (flags.includes("+") && !text.startsWith("-") ? `+${text}` : text);
  switch (verb) {
    case "s":
      return precision === undefined ? toText(value) : [...toText(value)].slice(0, Number(precision)).join("");
    case "q":
      return JSON.stringify(toText(value));
    case "t":
      return String(toBool(value));
    case "d":
      return number(formatNumber(Math.trunc(toNumber(value))));
    case "b":
      return number(Math.trunc(toNumber(value)).toString(2));
    case "o":
      return number(Math.trunc(toNumber(value)).toString(8));
    case "x":
    case "X": {
      const hex =
        typeof value === "string"
          ? Buffer.from(value).toString("hex")
          : number(Math.trunc(toNumber(value)).toString(16));
      return verb === "X" ? hex.toUpperCase() : hex;
    }
    case "f":
      return number(toNumber(value).toFixed(Number(precision ?? 6)));
    case "e":
      return number(
        toNumber(value)
          .toExponential(Number(precision ?? 6))
          .replace(/e([+-])(\d)$/, "e$10$2"),
      );
    case "g":
      return number(formatNumber(toNumber(value)));
    case "v":
      if (flags.includes("#")) return JSON.stringify(toJson(value));
      return value === null || typeof value === "object" ? JSON.stringify(toJson(value)) : toText(value);
    default:
      throw new BuildError("CONFIG", `"${all}" is no verb of a format`);
  }
}

function padded(text: string, flags: string, width: number, verb: string): string {
  if (flags.includes("-")) return text.padEnd(width);
  if (!flags.includes("0") || /[sqvt]/.test(verb)) return text.padStart(width);
  const [, sign = "", digits = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  return sign + digits.padStart(width - sign.length, "0");
}
