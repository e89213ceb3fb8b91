// Fields of JSON that somebody else wrote: what has not the expected type is as if it were not there.

export type JsonFields = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): JsonFields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
