// Removes a directory of ours with all it holds, whatever modes and names it has; links are removed, never followed. Unlike
// Node's rm it goes into folders of mode 000, such as the kernel's overlay keeps for itself, without being root.

import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import type { BytePath } from "../bytes/byte-path.ts";
import { fsPath, joinBytes } from "../bytes/byte-path.ts";
import { isErrno } from "../errors.ts";

/** A directory as a whole, or what else is there. Nothing there is no error. */
export function removeAny(path: BytePath): void {
  const found = lstatSync(fsPath(path), { throwIfNoEntry: false });
  if (found?.isDirectory()) removeTree(path);
  else ifThere(() => unlinkSync(fsPath(path)));
}

/** Nothing there is no error, nor is what somebody else removes meanwhile. */
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
  ifThere(() => rmdirSync(fsPath(directory)));
}

function list(directory: BytePath): { name: string; isDirectory(): boolean }[] {
  return readdirSync(fsPath(directory), { encoding: "latin1", withFileTypes: true });
}

function removeFile(path: BytePath, directory: BytePath): void {
  try {
    ifThere(() => unlinkSync(fsPath(path)));
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
    chmodSync(fsPath(directory), 0o700);
    ifThere(() => unlinkSync(fsPath(path)));
  }
}

function ifThere(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
