// Where a key stands in a TOML file: the parser does not say it of what is TOML and yet not what it should be.

/** The line (from 1) of a key, or of the table that has it; undefined where it is written in some way that is not looked for. */
export function lineOfKey(text: string, path: readonly (string | number)[]): number | undefined {
  const wanted = path.map(String);
  const lists = new Map<string, number>();
  let table: readonly string[] = [];
  let best: { readonly line: number; readonly depth: number } | undefined;
  for (const [at, line] of text.split("\n").entries()) {
    const [, brackets = "", header = ""] = /^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$/.exec(line) ?? [];
    let found: readonly string[];
    if (brackets === "") {
      const [, key = ""] =
        /^\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=/.exec(line) ?? [];
      if (key === "") continue;
      found = [...table, ...words(key)];
    } else {
      const names = words(header);
      const id = names.join("\0");
      const number = lists.get(id) ?? 0;
      if (brackets === "[[") lists.set(id, number + 1);
      table = found = brackets === "[[" ? [...names, String(number)] : names;
    }
    const depth = found.length;
    if (depth > wanted.length || found.some((word, place) => word !== wanted[place])) continue;
    if (best === undefined || depth > best.depth) best = { line: at + 1, depth };
  }
  return best?.line;
}

function words(key: string): readonly string[] {
  return [...key.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? "",
  );
}
