// The shape of a configuration file. Keys that are not known are left alone: the files belong to other programs.

import * as v from "valibot";
import { BuildError } from "../../builder/core/errors.ts";

/** Content as its schema has it. Throws `CONFIG` that names the key, never its value. */
export function checkShape<const Schema extends v.GenericSchema>(
  schema: Schema,
  content: unknown,
  where: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, content, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = issue.path?.map(({ key: part }) => String(part)).join(".") ?? "";
  throw new BuildError("CONFIG", `${where}: "${key}" is not ${expected(issue)}`);
}

function expected(issue: v.BaseIssue<unknown>): string {
  const wanted = issue.expected ?? "what it should be";
  const known: Readonly<Record<string, string>> = {
    string: "a text",
    boolean: "true or false",
    Array: "a list",
    Object: "a table",
    never: "known here",
  };
  return known[wanted] ?? wanted;
}

/** A text, or a list of them. */
export const Texts = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((value) => (typeof value === "string" ? [value] : value)),
);
