// Where a daemon listens, and is looked for, when nobody says where.

import { join } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Environment } from "../environment.ts";

/** The socket of root's daemon, or that of an ordinary user's. Throws `USAGE` where such a user has no folder for it. */
export function defaultAddress(environment: Environment): string {
  if (process.getuid?.() === 0) return "unix:///run/tsbuild/daemon.sock";
  const runtime = environment["XDG_RUNTIME_DIR"];
  if (runtime?.startsWith("/") === true) return `unix://${join(runtime, "tsbuild/daemon.sock")}`;
  throw new BuildError("USAGE", "there is no XDG_RUNTIME_DIR for the daemon's socket", {
    hint: "name an address: unix:///PATH",
  });
}
