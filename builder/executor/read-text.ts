// Files of the kernel and of the machine that need not be there.

import { readFileSync } from "node:fs";

/** Its text; "" where it is not there or may not be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
