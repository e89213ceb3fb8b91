// Where the settings of the disk stand, so that a build for which nobody wrote any loads nothing to read them.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "./environment.ts";
import { configFolders } from "./files/folders.ts";

/** Overrides the ceiling of every file. */
export const CEILING_VARIABLE = "TSBUILD_MAX_USED_SPACE";

/** The user's file, then the system's. */
export function diskSettingFiles(environment: Environment): readonly string[] {
  const { config, etc } = configFolders(environment);
  return [join(config, "tsbuild/tsbuild.toml"), join(etc, "tsbuild/tsbuild.toml")];
}

/** Whether anybody has said something. */
export function hasDiskSettings(environment: Environment): boolean {
  return Boolean(environment[CEILING_VARIABLE]) || diskSettingFiles(environment).some((path) => existsSync(path));
}
