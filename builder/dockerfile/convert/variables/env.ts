// Variables of the request and of the global scope.

/** Names and values; the order is that of the last assignment. */
export type Variables = ReadonlyMap<string, string>;

/** With one more variable; one that was there moves to the end. */
export function setVariable(variables: Variables, name: string, value: string): Variables {
  const next = new Map(variables);
  next.delete(name);
  next.set(name, value);
  return next;
}

/** Without a variable. */
export function dropVariable(variables: Variables, name: string): Variables {
  const next = new Map(variables);
  next.delete(name);
  return next;
}

/** "name=value" apart; the value is "" when there is no "=". */
export function splitVariable(entry: string): [string, string] {
  const at = entry.indexOf("=");
  return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
}
