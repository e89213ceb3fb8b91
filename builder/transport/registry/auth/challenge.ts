// What a registry says it wants to know, in a WWW-Authenticate header (RFC 9110, 11.6.1), and the scopes of tokens
// (distribution, spec/auth/scope.md).

/** One challenge of a WWW-Authenticate header. */
export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly parameters: ReadonlyMap<string, string>;
}

/** The challenges that we can answer. */
export function parseChallenges(header: string): readonly Challenge[] {
  const starts = [...header.matchAll(/(?:^|,)\s*(basic|bearer)(?=\s|,|$)/gi)];
  return starts.map((start, place) => {
    const text = header.slice(start.index + start[0].length, starts[place + 1]?.index);
    const pairs = text.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g);
    const parameters = new Map(
      [...pairs].map(([, name = "", quoted, bare]) => [
        name.toLowerCase(),
        quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "",
      ]),
    );
    return { scheme: start[1]?.toLowerCase() === "basic" ? "basic" : "bearer", parameters };
  });
}

/** Scopes ("repository:app:pull repository:base:pull") as one, with the actions for one resource put together. */
export function mergeScopes(...scopes: readonly string[]): string {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes.flatMap((text) => text.split(/\s+/))) {
    if (scope === "") continue;
    const colon = scope.lastIndexOf(":");
    const resource = scope.slice(0, Math.max(colon, 0));
    const known = actions.get(resource) ?? new Set();
    for (const action of scope.slice(colon + 1).split(",")) known.add(action);
    actions.set(resource, known);
  }
  return [...actions]
    .map(([resource, each]) => (resource === "" ? [...each].join(" ") : `${resource}:${[...each].join(",")}`))
    .join(" ");
}
