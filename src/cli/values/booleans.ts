// Booleans in the values of flags and variables.

/** Whether a text says yes; undefined when it says neither yes nor no. In any case, unlike a flag's own value. */
export function readBoolean(text: string): boolean | undefined {
  if (/^(1|t|true)$/i.test(text)) return true;
  return /^(0|f|false)$/i.test(text) ? false : undefined;
}
