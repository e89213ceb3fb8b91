// One configuration file about registries: what became of it, and what it says.

import { BuildError } from "../../../builder/core/errors.ts";
import type { RegistrySetting } from "./registry-settings.ts";
import { isForbidden } from "../files/text-file.ts";

/** A file that was looked for. */
export interface RegistryFile {
  readonly path: string;
  /** `left out`: it is there, but not for this user, and belongs to a daemon. */
  readonly state: "read" | "absent" | "left out" | "broken";
  readonly settings: readonly RegistrySetting[];
  /** Why nothing can be decided as long as the file is like this. */
  readonly problem?: BuildError;
}

export interface ReadOptions {
  /** A daemon's own file: an ordinary user need not be able to read it. */
  readonly isDaemons?: boolean;
}

/**
 * Reads a file by its family's parser; undefined from it means that there is none. A fault of the file is a part of the
 * answer, so that all files can be reported before the first fault is thrown.
 */
export async function readRegistryFile(
  path: string,
  read: (path: string) => Promise<readonly RegistrySetting[] | undefined>,
  { isDaemons = false }: ReadOptions = {},
): Promise<RegistryFile> {
  try {
    const settings = await read(path);
    return { path, state: settings === undefined ? "absent" : "read", settings: settings ?? [] };
  } catch (error) {
    if (!(error instanceof BuildError) || error.code !== "CONFIG") throw error;
    if (isDaemons && isForbidden(error)) return { path, state: "left out", settings: [] };
    return { path, state: "broken", settings: [], problem: error };
  }
}
