// What a yarn.lock names: blocks of lines, in the form of yarn 1 (a text of its own) and of later ones (YAML). Both are
// written by yarn alone, with two spaces before a field, so one reader of lines takes both.

import type { LockedPackage } from "./lock-tables.ts";

/** The packages that come from a registry or a URL, not those of the project itself. */
export function yarnPackages(text: string): readonly LockedPackage[] {
  return blocksOf(text).flatMap(({ key, fields }): LockedPackage[] => {
    const [wanted = ""] = unquoted(key).split(/"?, *"?/);
    const resolution = fields.get("resolution") ?? realName(wanted);
    const at = resolution.indexOf("@", 1);
    const source = resolution.slice(at + 1);
    const version = fields.get("version") ?? "";
    const isOwn = /^(?:workspace|link|portal):/.test(source);
    return at < 1 || version === "" || isOwn ? [] : [{ name: resolution.slice(0, at), version }];
  });
}

/** `alias@npm:name@range` asks for `name`; `name@npm:range` for itself. */
function realName(wanted: string): string {
  const [, real] = /^.[^@]*@npm:(@?[^@]+@.*)$/.exec(wanted) ?? [];
  return real ?? wanted;
}

interface Block {
  readonly key: string;
  readonly fields: ReadonlyMap<string, string>;
}

function blocksOf(text: string): readonly Block[] {
  const blocks: { key: string; fields: Map<string, string> }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, key] = /^([^\s#].*):$/.exec(line) ?? [];
    if (key !== undefined) blocks.push({ key, fields: new Map() });
    const [, name = "", value = ""] = /^ {2}(version|resolution):? (.+)$/.exec(line) ?? [];
    if (name !== "") blocks.at(-1)?.fields.set(name, unquoted(value.trim()));
  }
  return blocks.filter(({ key }) => key !== "__metadata");
}

function unquoted(text: string): string {
  return text.replace(/^"(.*)"$/, "$1");
}
