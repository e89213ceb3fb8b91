// The steps of a plain log.

/** How each step ended, by name. */
export function stepsOf(log: string): Map<string, string> {
  const names = new Map<string, string>();
  const ends = new Map<string, string>();
  for (const line of log.split("\n")) {
    const [, number = "", rest = ""] = /^(#\d+) (.*)$/.exec(line) ?? [];
    if (rest.startsWith("[")) names.set(number, rest);
    if (/^(?:CACHED|DONE|ERROR)/.test(rest)) ends.set(names.get(number) ?? number, rest);
  }
  return ends;
}
