// The shape of a configuration file. Keys that are not known are left alone: the files belong to other programs.

import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";

/** Content as its schema has it. Throws `CONFIG` that names the key, never its value; `where` is the file, or says the place of a key. */
export function checkShape<const Schema extends v.GenericSchema>(
  schema: Schema,
  content: unknown,
  where: string | ((path: readonly (string | number)[]) => string),
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, content, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = issue.path?.map(({ key }) => (typeof key === "number" ? key : String(key))) ?? [];
  const place = typeof where === "string" ? where : where(path);
  throw new BuildError("CONFIG", `${place}: "${path.join(".")}" is not ${expected(issue)}`);
}

function expected(issue: v.BaseIssue<unknown>): string {
  if (issue.type === "min_value") return `a number from ${String(issue.requirement)} up`;
  if (issue.type === "integer") return "a whole number";
  const wanted = issue.expected ?? "what it should be";
  const known: Readonly<Record<string, string>> = {
    string: "a text",
    number: "a number",
    boolean: "true or false",
    Array: "a list",
    Object: "a table",
    never: "known here",
  };
  const words = [...wanted.matchAll(/"[^"]*"|\w+/g)].map(([word]) => known[word] ?? word);
  return words.length > 2 ? `one of ${words.join(", ")}` : words.join(" or ");
}

/** A text, or a list of them. */
export const Texts = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((value) => (typeof value === "string" ? [value] : value)),
);
