// Where our own launcher is.

import { accessSync, constants, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Seen from this file: compiled, as a part of the bundled program in `dist`, as a source. */
const PLACES = [
  "./launcher/tsbuild-launcher",
  "./builder/executor/launcher/tsbuild-launcher",
  "../../dist/builder/executor/launcher/tsbuild-launcher",
];

/** Where the launcher lies. Undefined where it was never built. */
export function findLauncher(): string | undefined {
  return PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find(isExecutable);
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
