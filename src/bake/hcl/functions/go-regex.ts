// Go's regular expressions (RE2 syntax) in JavaScript's.

import { BuildError } from "../../../../builder/core/errors.ts";

/** Throws `CONFIG` for a pattern that is none. */
export function goRegex(pattern: string, flags = ""): RegExp {
  let [text, more] = [pattern, ""];
  const leading = /^\(\?([imsU]+)\)/.exec(text);
  if (leading !== null) {
    text = text.slice(leading[0].length);
    more = [...(leading[1] ?? "")].filter((flag) => "ims".includes(flag)).join("");
  }
  text = text
    .replaceAll("(?P<", "(?<")
    .replaceAll("\\A", "^")
    .replaceAll("\\z", "$")
    .replace(/\[:(\^?)(\w+):\]/g, (all, not: string, name: string) => {
      const set = POSIX[name];
      return set === undefined || not !== "" ? all : set;
    });
  try {
    return new RegExp(text, `u${flags}${more}`);
  } catch (error) {
    throw new BuildError("CONFIG", `"${pattern}" is no regular expression`, { cause: error });
  }
}

const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: "\\t ",
  digit: "0-9",
  lower: "a-z",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\s",
  upper: "A-Z",
  word: "\\w",
  xdigit: "0-9A-Fa-f",
};

/** `$1`, `${1}`, `$name` and `$$` of Go's Expand. */
export function replacement(by: string): (...found: unknown[]) => string {
  return (...found) => {
    const last = found.at(-1);
    const groups = typeof last === "object" && last !== null ? (last as Record<string, string | undefined>) : {}; // JavaScript's own last argument
    return by.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (all, braced?: string, bare?: string) => {
      if (all === "$$") return "$";
      const name = braced ?? bare ?? "";
      const value = /^\d+$/.test(name) ? found[Number(name)] : groups[name];
      return typeof value === "string" ? value : "";
    });
  };
}
