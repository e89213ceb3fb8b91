// The files of AWS's tools: sections of `name = value`, some values with lines of their own below them.

import { readText } from "../files/text-file.ts";

/** Values by name, by section. */
export type IniFile = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** The sections of a file; none when there is no such file. Throws `CONFIG` when it may not be read. */
export async function readIni(path: string): Promise<IniFile> {
  return parseIni((await readText(path)) ?? "");
}

/** The sections of a text. Names are lower case; lines that are further in belong to the value above and are left out. */
function parseIni(text: string): IniFile {
  const sections = new Map<string, Map<string, string>>();
  let current: Map<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:[#;].*)?$/.test(line) || /^\s/.test(line)) continue;
    const section = /^\[\s*([^\]]*?)\s*\]/.exec(line)?.[1];
    if (section !== undefined) {
      const name = section.replace(/\s+/g, " ").replaceAll('"', "");
      current = sections.get(name) ?? new Map<string, string>();
      sections.set(name, current);
      continue;
    }
    const [, name = "", value = ""] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (name !== "") current?.set(name.trim().toLowerCase(), value.replace(/\s+[#;].*$/, "").trim());
  }
  return sections;
}
