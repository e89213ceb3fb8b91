// Configuration files of other tools: read whole, or not there.

import { readFile } from "node:fs/promises";
import { BuildError, isErrno } from "../../builder/core/errors.ts";

/** The JSON object in a file; undefined when there is no such file. Throws `CONFIG` when it is no JSON object or unreadable. */
export async function readJsonObject(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw new BuildError("CONFIG", `cannot read "${path}"`, { cause: error, hint: String(error) });
  }
  return parseJsonObject(text, `"${path}"`);
}

/** The JSON object in a text; `where` names it in the message. Throws `CONFIG`. */
export function parseJsonObject(text: string, where: string): Readonly<Record<string, unknown>> {
  try {
    // An empty file is what `docker logout` of old versions leaves.
    const value: unknown = text.trim() === "" ? {} : JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // The parser's message may quote the text, and the text may hold a password.
  }
  throw new BuildError("CONFIG", `${where} is not a JSON object`);
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
