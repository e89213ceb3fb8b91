// Variables of a stage or of the global scope: ordered by when they were last set.

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

/** "name=value" texts. */
export function variableList(variables: Variables): string[] {
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** A config's Env with a variable set: in place if it is there, at the end otherwise. */
export function setConfigEnv(env: readonly string[], name: string, value: string): string[] {
  const line = `${name}=${value}`;
  const at = env.findIndex((entry) => splitVariable(entry)[0] === name);
  return at < 0 ? [...env, line] : env.with(at, line);
}

/** "name=value" apart; the value is "" when there is no "=". */
export function splitVariable(entry: string): [string, string] {
  const at = entry.indexOf("=");
  return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
}
