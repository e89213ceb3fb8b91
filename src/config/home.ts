// The home folder, which a container's user may not have.

import { userInfo } from "node:os";
import type { Environment } from "./environment.ts";

/** HOME, or where it is empty or missing what the user database says; undefined for a user who is not in there. */
export function homeFolder(environment: Environment): string | undefined {
  if (environment["HOME"]) return environment["HOME"];
  try {
    // Not homedir(): an empty HOME is a home to it.
    return userInfo().homedir || undefined;
  } catch {
    return undefined;
  }
}
