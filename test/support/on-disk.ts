// What du(1) says.

import assert from "node:assert/strict";
import { runAsOwner } from "./as-owner.ts";

/** Bytes that a folder takes of the disk. */
export async function onDiskBytes(path: string): Promise<number> {
  const { stdout, stderr } = await runAsOwner("du", "-s", "--block-size=1", path);
  assert.equal(stderr, "");
  return Number.parseInt(stdout, 10);
}
