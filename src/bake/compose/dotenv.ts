// A `.env` file (compose-go, dotenv): NAME=value lines, quoted or not, with variables in them.

import type { LookUp } from "./interpolate.ts";
import { interpolate } from "./interpolate.ts";

const LINE =
  /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:][ \t]*(?:"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'|([^\r\n]*))[ \t]*(?:#[^\n]*)?$/gm;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

/** The variables of a file; `lookUp` knows those that are set already. Throws `CONFIG`. */
export function parseDotenv(text: string, lookUp: LookUp): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const known: LookUp = (name) => lookUp(name) ?? found.get(name);
  for (const [, name = "", doubled, single, bare = ""] of text.matchAll(LINE)) {
    if (single !== undefined) found.set(name, single);
    else if (doubled !== undefined)
      found.set(
        name,
        interpolate(
          doubled.replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char),
          known,
        ),
      );
    else found.set(name, interpolate(bare.replace(/(?:^|\s+)#.*$/, "").trim(), known));
  }
  return found;
}
