// TOML configuration of other tools. The parser is loaded when there is a file to read.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ConfigObject } from "./json-file.ts";
import { readText } from "./text-file.ts";

/** The table in a file; undefined when there is no such file. Throws `CONFIG` with the line when it is no TOML, or unreadable. */
export async function readToml(path: string): Promise<ConfigObject | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const { parse, TomlError } = await import("smol-toml");
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of its message shows lines of the file, which may hold a header with a token.
    const why = (error.message.split("\n")[0] ?? "").replace(/^Invalid TOML document: /, "");
    throw new BuildError("CONFIG", `"${path}", line ${error.line}: ${why}`);
  }
}
