// `mkdir -p` that keeps the reason: Node's own says ENOENT where the file system is read-only.

import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { isErrno } from "../core/errors.ts";

/** Makes a directory and those above it that are missing; the topmost one that was made, undefined when all were there. */
export async function makeDirectories(path: string): Promise<string | undefined> {
  try {
    mkdirSync(path);
    return path;
  } catch (error) {
    if (isErrno(error, "EEXIST") && statSync(path).isDirectory()) return undefined;
    if (!isErrno(error, "ENOENT") || dirname(path) === path) throw error;
  }
  const first = await makeDirectories(dirname(path));
  return (await makeDirectory(path)) ? (first ?? path) : first;
}

/** False when another process was faster. */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST") && statSync(path).isDirectory()) return false;
    throw error;
  }
}
