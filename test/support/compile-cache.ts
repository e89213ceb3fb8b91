// Programs that a test starts in an empty HOME would compile everything anew each time. The runner names a folder for what
// they compile (tools/test.ts); a test that gives a program an environment of its own puts this into it.

import process from "node:process";

const folder = process.env["NODE_COMPILE_CACHE"];

/** The variable, when there is one. */
export const COMPILE_CACHE: Readonly<Record<string, string>> =
  folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
