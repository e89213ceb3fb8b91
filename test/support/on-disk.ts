// What du(1) says.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

/** Bytes that a folder takes of the disk. */
export function onDiskBytes(path: string): number {
  const { stdout, stderr } = spawnSync("du", ["-s", "--block-size=1", path], { encoding: "utf8" });
  assert.equal(stderr, "");
  return Number.parseInt(stdout, 10);
}
