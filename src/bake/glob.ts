// Patterns of names (Go, path.Match): `*`, `?` and `[a-z]`.

import { BuildError } from "../../builder/core/errors.ts";

/** Whether it is a pattern at all. */
export function isPattern(text: string): boolean {
  return /[*?[\]]/.test(text);
}

/** Whether all of `name` matches. Throws `USAGE` for what is no pattern. */
export function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replace(
    /\\(.)|\*|\?|\[(\^?)((?:\\.|[^\]])+)\]|[\s\S]/g,
    (all, plain?: string, not = "", set?: string) => {
      if (plain !== undefined) return literally(plain);
      if (set !== undefined) return `[${not}${set.replaceAll("[", "\\[")}]`;
      return all === "*" ? "[^/]*" : all === "?" ? "[^/]" : literally(all);
    },
  );
  try {
    return new RegExp(`^${source}$`, "u").test(name);
  } catch (error) {
    throw new BuildError("USAGE", `"${pattern}" is no pattern of names`, { cause: error });
  }
}

function literally(char: string): string {
  return /[\p{L}\p{N}_]/u.test(char) ? char : `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}
