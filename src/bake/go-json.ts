// JSON as Go writes it: what HTML would take for something is escaped.

/** Two spaces deep, without a newline at the end. */
export function goJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
