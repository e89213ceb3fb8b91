// Temporary files bear their owner in the name, so that whoever opens the store next
// can sweep what a killed process left behind and leave alone what is being written.

import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "../core/errors.ts";
import { isOwnerAlive, ownerName } from "./owner.ts";

const UNJUDGED_MS = 24 * 3600 * 1000;

let serial = 0;

/** A new name in a directory of temporary files, never given twice. */
export function temporaryPath(directory: string, label = "blob"): string {
  return join(directory, `${ownerName()}.${serial++}.${label}`);
}

/**
 * Removes what dead processes left in a directory of temporary files; what cannot be judged after a day. `before` is
 * told of each path that is about to go.
 */
export async function sweepTemporary(
  directory: string,
  before: (path: string) => void = () => undefined,
): Promise<number> {
  let swept = 0;
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const alive = isOwnerAlive(name.split(".")[0] ?? "");
    if (alive === true) continue;
    if (alive === undefined && !(await isOld(path))) continue;
    before(path);
    await rm(path, { recursive: true, force: true });
    swept++;
  }
  return swept;
}

async function isOld(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > UNJUDGED_MS;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
