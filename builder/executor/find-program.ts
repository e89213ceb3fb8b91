// Where a program of the machine lies.

import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** The path of the first executable file of that name in the directories, as execvp(3) looks for it; undefined without one. */
export function findProgram(name: string, directories: readonly string[]): string | undefined {
  return directories
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
