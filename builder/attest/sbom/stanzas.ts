// Data in paragraphs of "Field: value" lines, as Debian (deb822(5)) and Python's packages have it.

/** The paragraphs of a text; a line that begins with a space goes on with the field before it. The first field of a name counts. */
export function parseStanzas(text: string): ReadonlyMap<string, string>[] {
  const found: Map<string, string>[] = [];
  let fields = new Map<string, string>();
  let last: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "") {
      if (fields.size > 0) found.push(fields);
      fields = new Map();
      last = undefined;
      continue;
    }
    if (/^[ \t]/.test(line)) {
      if (last !== undefined) fields.set(last, `${fields.get(last)}\n${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    last = undefined;
    if (colon <= 0 || fields.has(name)) continue;
    fields.set(name, line.slice(colon + 1).trim());
    last = name;
  }
  if (fields.size > 0) found.push(fields);
  return found;
}
