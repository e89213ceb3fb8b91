// A file that others may take away at any moment.

import { openSync } from "node:fs";
import { isErrno } from "../core/errors.ts";

/** Opens it for reading; undefined when it is not there (any more). */
export function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
