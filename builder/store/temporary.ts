// Temporary files bear their owner in the name, so that whoever opens the store next
// can sweep what a killed process left behind and leave alone what is being written.

import { readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { bytePath } from "../core/bytes/byte-path.ts";
import { isErrno } from "../core/errors.ts";
import { removeAny } from "../core/system/remove-tree.ts";
import { isOwnerAlive, ownerName } from "./owner.ts";

const UNJUDGED_MS = 24 * 3600 * 1000;
const UNTOUCHED_MS = 3 * UNJUDGED_MS;

let serial = 0;

/** A new name in a directory of temporary files, never given twice. */
export function temporaryPath(directory: string, label = "blob"): string {
  return join(directory, `${ownerName()}.${serial++}.${label}`);
}

/**
 * Removes what dead processes left in a directory of temporary files; what cannot be judged after a day. `before` is
 * told of each path that is about to go, or would go. What cannot be removed keeps nothing else from it; then the first
 * error is thrown.
 */
export function sweepTemporary(
  directory: string,
  before: (path: string) => void = () => undefined,
  then: "remove" | "keep" = "remove",
): number {
  let swept = 0;
  let failure: Error | undefined;
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    const alive = isOwnerAlive(name.split(".")[0] ?? "");
    if (alive === true) continue;
    if (alive === undefined && !isOld(path)) continue;
    before(path);
    try {
      if (then === "remove") removeAny(bytePath(path));
      swept++;
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  if (failure !== undefined) throw failure;
  return swept;
}

/** Removes the files of a directory, which need not be there, that nothing was written to for three days. */
export async function sweepOld(directory: string): Promise<void> {
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    if (isOld(path, UNTOUCHED_MS)) await rm(path, { force: true });
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

function isOld(path: string, ageMs = UNJUDGED_MS): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs > ageMs;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
