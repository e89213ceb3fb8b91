// `tsbuild version`.

import type { Command } from "./command.ts";
import { readArguments } from "./command.ts";
import { GLOBAL_FLAGS } from "../cli/flags/global-flags.ts";
import { VERSION } from "../version.ts";

/** Prints the versions that matter in a report of a problem. */
export const version: Command = async (context) => {
  const args = await readArguments(context, GLOBAL_FLAGS, "Usage:  tsbuild version");
  if (args === undefined) return 0;
  await context.print(
    `tsbuild ${VERSION}\nNode ${process.versions.node} (zlib ${process.versions.zlib}, zstd ${process.versions["zstd"] ?? "none"})\n`,
  );
  return 0;
};
