// Where images, layers and build cache lie.

import { join, resolve } from "node:path";
import { BuildError } from "../../builder/core/errors.ts";
import type { Environment } from "./environment.ts";
import { homeFolder } from "./home.ts";

/**
 * The store's folder, absolute: `--root`, else TSBUILD_ROOT, else /var/lib/tsbuild for root and
 * `$XDG_DATA_HOME/tsbuild` (`~/.local/share/tsbuild`) for everybody else. Throws `CONFIG` for a user without a home.
 */
export function dataRoot(flag: string | undefined, environment: Environment, uid: number): string {
  const chosen = flag || environment["TSBUILD_ROOT"];
  if (chosen) return resolve(chosen);
  if (uid === 0) return "/var/lib/tsbuild";
  const data = environment["XDG_DATA_HOME"];
  // XDG base directories: a relative path is to be ignored.
  if (data?.startsWith("/")) return join(data, "tsbuild");
  const home = homeFolder(environment);
  if (home !== undefined) return join(home, ".local/share/tsbuild");
  throw new BuildError(
    "CONFIG",
    `user ${uid} has no home folder, so there is no place for images and the build cache`,
    {
      hint: "name one with --root or TSBUILD_ROOT, or set HOME",
    },
  );
}
