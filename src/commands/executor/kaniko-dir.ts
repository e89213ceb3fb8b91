// Where a job keeps what it keeps, and where its logins are mounted: `--kaniko-dir`.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Arguments } from "../../cli/flags.ts";
import { textOf } from "../../cli/flags.ts";
import type { Environment } from "../../config/environment.ts";
import type { CommandContext } from "../command.ts";
import { useRoot } from "../command.ts";

/** The store of a job. */
export function rootOfJob(
  { environment, globals }: Pick<CommandContext, "environment" | "globals">,
  args: Arguments,
): string {
  const folder = kanikoFolder(args, environment);
  return useRoot(textOf(globals, "root") || (folder && `${folder}/tsbuild`), environment);
}

/** Logins move with --kaniko-dir, where there are some; else what is mounted at kaniko's own place counts. */
export function withOwnLogins(args: Arguments, environment: Environment): Environment {
  const folder = kanikoFolder(args, environment);
  const logins = folder === undefined ? undefined : join(folder, ".docker");
  if (logins === undefined || !existsSync(join(logins, "config.json"))) return environment;
  return { ...environment, DOCKER_CONFIG: logins };
}

function kanikoFolder(args: Arguments, environment: Environment): string | undefined {
  return textOf(args, "kaniko-dir") || environment["KANIKO_DIR"] || undefined;
}
