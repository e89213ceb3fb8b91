// What docker's clients send in queries: filters as JSON, switches as "1" or "true".

import * as v from "valibot";
import { HttpError } from "../http/answer.ts";

const Filters = v.record(v.string(), v.union([v.array(v.string()), v.record(v.string(), v.boolean())]));

/** The filters of a query, as "key=value". Throws `HttpError` 400 for what is none. */
export function filtersOf(query: URLSearchParams): readonly string[] {
  const text = query.get("filters") ?? "";
  if (text === "") return [];
  const read = v.safeParse(Filters, parsedJson(text, "filters"));
  if (!read.success) throw new HttpError(400, "filters: invalid filter");
  return Object.entries(read.output).flatMap(([key, values]) =>
    (Array.isArray(values) ? values : Object.keys(values).filter((value) => values[value] === true)).map(
      (value) => `${key}=${value}`,
    ),
  );
}

/** A switch; absent, "0", "false" and "" are off. */
export function isSet(query: URLSearchParams, name: string): boolean {
  return !["", "0", "false", "False", "no"].includes(query.get(name) ?? "");
}

/** Throws `HttpError` 400 that names what was no JSON. */
export function parsedJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, `${what} is no JSON`);
  }
}
