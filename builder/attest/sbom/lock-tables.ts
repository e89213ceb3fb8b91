// The [[package]] tables of lock files in TOML that programs write (Cargo.lock, poetry.lock,
// uv.lock): one "key = value" a line, texts in double quotes. Not a reader of TOML.

/** The texts of each [[package]] table, by key. */
export function parseLockTables(text: string): ReadonlyMap<string, string>[] {
  const found: Map<string, string>[] = [];
  let table: Map<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*\[/.test(line)) {
      table = /^\[\[package\]\]\s*$/.test(line) ? new Map<string, string>() : undefined;
      if (table !== undefined) found.push(table);
      continue;
    }
    const [, key = "", quoted = ""] = /^([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*")\s*$/.exec(line) ?? [];
    if (table === undefined || key === "" || table.has(key)) continue;
    table.set(key, unquote(quoted));
  }
  return found;
}

/** TOML's basic strings are nearly JSON's. */
function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted.slice(1, -1);
  }
}
