// JSON configuration of other tools. What a parser says about a text is never passed on: it may quote a password.

import { BuildError } from "../../../builder/core/errors.ts";
import { readText } from "./text-file.ts";

/** A JSON or TOML object. */
export type ConfigObject = Readonly<Record<string, unknown>>;

/** The JSON object in a file; undefined when there is no such file. Throws `CONFIG` when it is no JSON object or unreadable. */
export async function readJsonObject(path: string): Promise<ConfigObject | undefined> {
  const text = await readText(path);
  return text === undefined ? undefined : parseJsonObject(text, `"${path}"`);
}

/** The JSON object in a text; `where` names it in the message. Throws `CONFIG`, with the line where the parser knows it. */
export function parseJsonObject(text: string, where: string): ConfigObject {
  let line: string | undefined;
  try {
    // An empty file is what `docker logout` of old versions leaves.
    const value: unknown = text.trim() === "" ? {} : JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    line = /\(line (\d+) column \d+\)/.exec(error instanceof Error ? error.message : "")?.[1];
  }
  throw new BuildError("CONFIG", `${where}${line === undefined ? "" : `, line ${line}`} is not a JSON object`);
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is ConfigObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object in a field; an empty one when there is none. */
export function objectField(content: ConfigObject, name: string): ConfigObject {
  const value = content[name];
  return isObject(value) ? value : {};
}

/** The text in a field; "" when there is none. */
export function textField(content: ConfigObject, name: string): string {
  const value = content[name];
  return typeof value === "string" ? value : "";
}
