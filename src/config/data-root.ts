// Where images, layers and build cache lie.

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Environment } from "./environment.ts";

/**
 * The store's folder, absolute: `--root`, else TSBUILD_ROOT, else /var/lib/tsbuild for root and
 * `$XDG_DATA_HOME/tsbuild` (`~/.local/share/tsbuild`) for everybody else.
 */
export function dataRoot(flag: string | undefined, environment: Environment, uid: number): string {
  const chosen = flag || environment["TSBUILD_ROOT"];
  if (chosen) return resolve(chosen);
  if (uid === 0) return "/var/lib/tsbuild";
  const data = environment["XDG_DATA_HOME"];
  // XDG base directories: a relative path is to be ignored. HOME may be empty or missing: then the user database's.
  return join(data?.startsWith("/") ? data : join(environment["HOME"] || homedir(), ".local", "share"), "tsbuild");
}
