// Functions of text (go-cty, function/stdlib: string.go, regexp.go; buildx, hclparser/stdlib.go).

import type { HclFunction } from "../evaluate.ts";
import type { Value } from "../value.ts";
import { toList, toNumber, toText } from "../value.ts";
import { goRegex, replacement } from "./go-regex.ts";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

export const TEXT_FUNCTIONS: Readonly<Record<string, HclFunction>> = {
  basename: (path = null) => baseOf(toText(path)),
  dirname: (path = null) => folderOf(toText(path)),
  chomp: (text = null) => toText(text).replace(/[\r\n]+$/, ""),
  indent: (spaces = null, text = null) => toText(text).replaceAll("\n", `\n${" ".repeat(toNumber(spaces))}`),
  join: (separator = null, ...lists) => lists.flatMap((list) => toList(list).map(toText)).join(toText(separator)),
  lower: (text = null) => eachLetter(toText(text), (letter) => letter.toLowerCase()),
  upper: (text = null) => eachLetter(toText(text), (letter) => letter.toUpperCase()),
  title: (text = null) =>
    toText(text).replace(
      /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
      (_, before: string, letter: string) => before + letter.toUpperCase(),
    ),
  regex: (pattern = null, text = null) => {
    const found = goRegex(toText(pattern)).exec(toText(text));
    if (found === null) throw new Error("the pattern did not match any part of the text");
    return matched(found);
  },
  regexall: (pattern = null, text = null) => [...toText(text).matchAll(goRegex(toText(pattern), "g"))].map(matched),
  regex_replace: (text = null, pattern = null, by = null) =>
    toText(text).replace(goRegex(toText(pattern), "g"), replacement(toText(by))),
  replace: (text = null, from = null, by = null) => {
    // As text between slashes is in Terraform it is not here: cty's own replace is plain.
    return toText(text).replaceAll(toText(from), () => toText(by));
  },
  reverse: (text = null) => charsOf(text).toReversed().join(""),
  sanitize: (name = null) => toText(name).replace(/[^a-zA-Z0-9_-]/gu, "_"),
  split: (separator = null, text = null) => toText(text).split(toText(separator)),
  strlen: (text = null) => charsOf(text).length,
  substr: (text = null, offset = null, length = null) => {
    const chars = charsOf(text);
    const from = toNumber(offset) < 0 ? Math.max(0, chars.length + toNumber(offset)) : toNumber(offset);
    const count = toNumber(length);
    return chars.slice(from, count < 0 ? undefined : from + count).join("");
  },
  trim: (text = null, cutset = null) => trim(toText(text), new Set(toText(cutset))),
  trimprefix: (text = null, prefix = null) =>
    toText(text).startsWith(toText(prefix)) ? toText(text).slice(toText(prefix).length) : text,
  trimsuffix: (text = null, suffix = null) =>
    toText(suffix) !== "" && toText(text).endsWith(toText(suffix))
      ? toText(text).slice(0, -toText(suffix).length)
      : text,
  trimspace: (text = null) => toText(text).trim(),
};

/** As Go does it: a letter that would become several stays. */
function eachLetter(text: string, change: (letter: string) => string): string {
  return Array.from(text, (letter) => {
    const changed = change(letter);
    return [...changed].length === 1 ? changed : letter;
  }).join("");
}

function charsOf(text: Value): readonly string[] {
  return [...graphemes.segment(toText(text))].map(({ segment }) => segment);
}

function trim(text: string, cutset: ReadonlySet<string>): string {
  const chars = [...text];
  let [from, to] = [0, chars.length];
  while (from < to && cutset.has(chars[from] ?? "")) from++;
  while (to > from && cutset.has(chars[to - 1] ?? "")) to--;
  return chars.slice(from, to).join("");
}

/** Named groups as an object, numbered ones as a list, the match itself where there are none. */
function matched(found: RegExpExecArray): Value {
  if (found.groups !== undefined)
    return new Map(Object.entries(found.groups).map(([name, text]): [string, Value] => [name, text ?? null]));
  if (found.length === 1) return found[0];
  return found.slice(1).map((text: string | undefined) => text ?? null);
}

/** Go's path.Base. */
function baseOf(path: string): string {
  if (path === "") return ".";
  const plain = path.replace(/\/+$/, "");
  return plain === "" ? "/" : plain.slice(plain.lastIndexOf("/") + 1);
}

/** Go's path.Dir. */
function folderOf(path: string): string {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const parts: string[] = [];
  for (const part of folder.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !path.startsWith("/")) parts.push(part);
  }
  const clean = parts.join("/");
  return path.startsWith("/") ? `/${clean}` : clean || ".";
}
