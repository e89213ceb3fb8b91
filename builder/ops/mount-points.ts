// Where a step's mounts go. What the rootfs lacks of it is made for the step, and is no
// change of the rootfs as long as nothing is put there.

import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, parentOf } from "../core/bytes/byte-path.ts";
import type { Statable } from "../layer/tree/resolve-path.ts";
import { resolvePath } from "../layer/tree/resolve-path.ts";

/** Files of the machine that every step has. */
const SYSTEM_FILES = ["/etc/hosts", "/etc/resolv.conf"];

/** The mount points of absolute targets that are not in the tree, and the directories above them that are not. */
export function missingMountPoints(tree: Statable, targets: readonly string[]): BytePath[] {
  const missing = new Set<BytePath>();
  for (const target of [...SYSTEM_FILES, ...targets]) {
    let { path, entry } = resolvePath(tree, bytePath(target), { followLast: true });
    for (; entry === undefined && path !== ""; path = parentOf(path), entry = tree.lstat(path)) missing.add(path);
  }
  return [...missing];
}
