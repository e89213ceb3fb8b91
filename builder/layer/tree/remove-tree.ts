// Removes a directory of ours with all it holds, whatever modes and names it has; links are removed, never followed.

import { chmodSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import type { BytePath } from "../../core/byte-path.ts";
import { fsPath, joinBytes } from "../../core/byte-path.ts";
import { isErrno } from "../../core/errors.ts";

/** Nothing there is no error. */
export function removeTree(directory: BytePath): void {
  let names: readonly { name: string; isDirectory(): boolean }[];
  try {
    names = list(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    if (!isErrno(error, "EACCES")) throw error;
    chmodSync(fsPath(directory), 0o700);
    names = list(directory);
  }
  for (const entry of names) {
    const path = joinBytes(directory, entry.name);
    if (entry.isDirectory()) removeTree(path);
    else removeFile(path, directory);
  }
  rmdirSync(fsPath(directory));
}

function list(directory: BytePath): { name: string; isDirectory(): boolean }[] {
  return readdirSync(fsPath(directory), { encoding: "latin1", withFileTypes: true });
}

function removeFile(path: BytePath, directory: BytePath): void {
  try {
    unlinkSync(fsPath(path));
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
    chmodSync(fsPath(directory), 0o700);
    unlinkSync(fsPath(path));
  }
}
