// What people call a build by.

/** The number in `^N`: how many builds are newer than the one that is meant; undefined for another form. */
export function numberOfNewer(text: string): number | undefined {
  const digits = /^\^(\d{1,4})$/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The ids that a text may mean: that very one, else all that begin so. */
export function idsNamed(text: string, ids: readonly string[]): readonly string[] {
  if (ids.includes(text)) return [text];
  return ids.filter((id) => text !== "" && id.startsWith(text));
}
