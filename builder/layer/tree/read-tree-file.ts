// Reading one small file out of a tree: /etc/passwd, /etc/group.

import { readFileSync } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, fsPath } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import { resolvePath } from "./resolve-path.ts";
import type { ReadableTree } from "./stack-tree.ts";

/** A whole regular file, links followed inside the tree; undefined if nothing is there. Throws `CONTEXT` when it is larger or no regular file. */
export async function readTreeFile(
  tree: ReadableTree,
  path: BytePath,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { path: real, entry } = resolvePath(tree, path, { followLast: true });
  if (entry === undefined) return undefined;
  const shown = `"/${displayPath(real)}"`;
  if (entry.type !== "file") throw new BuildError("CONTEXT", `${shown} is not a regular file`);
  if (entry.size > maxBytes) throw new BuildError("CONTEXT", `${shown} is larger than ${maxBytes} bytes`);
  const source = (await tree.sources([real], signal)).get(real);
  if (source === undefined) throw new BuildError("INTERNAL", `the content of ${shown} is not to be found`);
  return source.kind === "bytes" ? source.bytes : readFileSync(fsPath(source.path));
}
