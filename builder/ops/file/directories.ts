// mkdir -p in a work tree.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import type { Owner } from "../passwd.ts";
import type { WorkNode, WorkTree } from "./work-tree.ts";

/** Bytes of a path that a system call takes, with the one that ends it (limits.h). */
const PATH_MAX = 4096;

/** Makes what is missing of a path without links; what is there stays as it is. Throws `CONTEXT` where a file is in the way. */
export function makeDirectories(tree: WorkTree, path: BytePath, mode: number, owner: Owner | undefined): WorkNode {
  if (path.length >= PATH_MAX)
    throw new BuildError("CONTEXT", `${displayPath(path.slice(0, 100))}…: file name too long`);
  let node = tree.root;
  let at = "";
  for (const name of path.split("/")) {
    if (name === "") continue;
    at = joinBytes(at, name);
    let next = tree.child(node, name);
    if (next === undefined) {
      next = tree.makeDirectory(node, name, mode & 0o777);
      if (owner !== undefined) Object.assign(next.inode, owner);
    } else if (next.inode.type !== "dir") {
      throw new BuildError("CONTEXT", `mkdir /${displayPath(at)}: not a directory`);
    }
    node = next;
  }
  return node;
}
