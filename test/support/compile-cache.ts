// Programs that a test starts in an empty HOME would compile everything anew each time. The runner names a folder for what
// they compile (tools/test.ts); a test that gives a program an environment of its own puts this into it.

import { chownSync, mkdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";

const folder = process.env["NODE_COMPILE_CACHE"];

/** The variable, when there is one. */
export const COMPILE_CACHE: Readonly<Record<string, string>> =
  folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };

/** The same for a program that runs as another user, who may not write into ours. */
export function compileCacheOf(uid: number | undefined): Readonly<Record<string, string>> {
  if (folder === undefined || uid === undefined) return COMPILE_CACHE;
  const theirs = path.join(folder, `user-${uid}`);
  mkdirSync(theirs, { recursive: true });
  chownSync(theirs, uid, uid);
  return { NODE_COMPILE_CACHE: theirs };
}
