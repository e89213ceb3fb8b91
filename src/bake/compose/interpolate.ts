// `$NAME` and `${NAME:-default}` in a compose file (compose-spec, 12-interpolation.md).

import { BuildError } from "../../../builder/core/errors.ts";

/** The value of a variable; undefined when it is not set. */
export type LookUp = (name: string) => string | undefined;

/** The text with its variables replaced. Throws `CONFIG` for what is no variable, or one that must be set. */
export function interpolate(text: string, lookUp: LookUp): string {
  let result = "";
  for (let at = 0; at < text.length;) {
    const dollar = text.indexOf("$", at);
    if (dollar < 0) return result + text.slice(at);
    result += text.slice(at, dollar);
    if (text[dollar + 1] === "$") {
      result += "$";
      at = dollar + 2;
    } else if (text[dollar + 1] === "{") {
      const end = closing(text, dollar + 2);
      result += braced(text.slice(dollar + 2, end), lookUp);
      at = end + 1;
    } else {
      const [name = ""] = /^[a-zA-Z_]\w*/.exec(text.slice(dollar + 1)) ?? [];
      if (name === "")
        throw new BuildError("CONFIG", `invalid interpolation in "${text}"`, { hint: "a plain $ is written $$" });
      result += lookUp(name) ?? "";
      at = dollar + 1 + name.length;
    }
  }
  return result;
}

function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text.startsWith("${", at)) depth++;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  throw new BuildError("CONFIG", `a \${ is not closed in "${text}"`);
}

function braced(inner: string, lookUp: LookUp): string {
  const [, name = "", operator = "", rest = ""] = /^([a-zA-Z_]\w*)(?:(:?[-?+])([\s\S]*))?$/.exec(inner) ?? [];
  if (name === "") throw new BuildError("CONFIG", `invalid interpolation "\${${inner}}"`);
  const value = lookUp(name);
  const isSet = operator.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
  switch (operator.at(-1)) {
    case "-":
      return isSet ? (value ?? "") : interpolate(rest, lookUp);
    case "+":
      return isSet ? interpolate(rest, lookUp) : "";
    case "?":
      if (!isSet) throw new BuildError("CONFIG", `the variable "${name}" must be set: ${interpolate(rest, lookUp)}`);
      return value ?? "";
    default:
      return value ?? "";
  }
}
