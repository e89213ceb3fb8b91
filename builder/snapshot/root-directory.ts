// The root directory itself is in no layer: only its owner goes from one step to the next, as with BuildKit's
// snapshots (containerd's overlay snapshotter, createSnapshot: a new upper has the owner of the one below).

import { chmodSync, chownSync, statSync } from "node:fs";
import type { StoredLayer } from "./ref.ts";

/** What "/" looks like. */
export interface RootDirectory {
  /** Octal, 0-07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const NEW_ROOT: RootDirectory = { mode: 0o755, uid: 0, gid: 0 };

/**
 * The root directory of some layers, bottom first. A step leaves one behind; images and copies say nothing of it, so the
 * owner is that of the last step below. The mode lasts only for those who look at the step's own layer: whatever
 * stands on it starts with 0755.
 */
export function rootDirectory(layers: readonly StoredLayer[], writable: boolean): RootDirectory {
  const said = layers.findLast(({ root }) => root !== undefined);
  if (said?.root === undefined) return NEW_ROOT;
  return !writable && said === layers.at(-1) ? said.root : { ...said.root, mode: NEW_ROOT.mode };
}

/** The root directory that lies at a path. */
export function readRoot(directory: string): RootDirectory {
  const { mode, uid, gid } = statSync(directory);
  return { mode: mode & 0o7777, uid, gid };
}

/** Makes a directory look like this, whatever the umask. */
export function setRoot(directory: string, { mode, uid, gid }: RootDirectory): void {
  const now = readRoot(directory);
  if (now.uid !== uid || now.gid !== gid) chownSync(directory, uid, gid);
  chmodSync(directory, mode);
}

/** Whether a directory looks like this already. */
export function isRoot(directory: string, wanted: RootDirectory): boolean {
  const { mode, uid, gid } = readRoot(directory);
  return mode === wanted.mode && uid === wanted.uid && gid === wanted.gid;
}
