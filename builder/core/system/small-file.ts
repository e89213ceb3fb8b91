// Small files are read at once: a trip to another thread and back takes longer than reading them, and a build of which
// everything is known does little else.

import { readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";

/** The bytes of a file. What may keep its reader waiting (a pipe, a terminal) keeps nobody else waiting. Throws what open(2) and read(2) do. */
export async function readSmallFile(path: string): Promise<Buffer> {
  return statSync(path).isFile() ? readFileSync(path) : await readFile(path);
}
