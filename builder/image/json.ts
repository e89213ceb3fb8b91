// JSON as Go's encoding/json writes it, so that what we assemble equals BuildKit's bytes.

/** A JSON value whose object fields are written in the order they have; `undefined` ones are left out. */
export type JsonObject = { readonly [key: string]: unknown };

/** As `json.Marshal`: `<`, `>`, `&`, U+2028 and U+2029 are escaped. `indent` as `json.MarshalIndent` takes it. */
export function goJson(value: JsonObject, indent?: string): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A Go map: keys sorted by their bytes. */
export function sortedMap<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  const keys = Object.keys(map).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Object.fromEntries(keys.map((key) => [key, map[key] as T])); // the keys are the map's own
}

/** Whether Go's `omitempty` leaves a value out. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** The fields that are not empty. */
export function omitEmpty(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}
