// Where our own launcher is.

import { accessSync, constants, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the launcher lies: beside the compiled program, or in `dist` when the sources are run. Undefined where it was never built. */
export function findLauncher(): string | undefined {
  const beside = fileURLToPath(new URL("./launcher/tsbuild-launcher", import.meta.url));
  const built = fileURLToPath(new URL("../../dist/builder/executor/launcher/tsbuild-launcher", import.meta.url));
  return [beside, built].find((path) => isExecutable(path));
}

function isExecutable(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
