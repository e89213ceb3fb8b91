// The copy snapshotter by the common cases.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../builder/layer/entry.ts";
import { mergedDirectories } from "../../builder/snapshot/merged-directories.ts";
import { snapshotterCases } from "./cases.ts";

await snapshotterCases("copy", import.meta.url);

test("names the directories that an overlay would merge", () => {
  const entry = (path: string, type: Entry["type"] = "dir"): Entry => ({ path, type, mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n }); // prettier-ignore
  const base = ["a", "a/b", "a/b/c", "d", "d/e", "f", "g", "g/h"].map((path) => entry(path));
  const above = [entry("a/b/new", "file"), entry("d", "whiteout"), entry("f", "opaque"), entry("g", "file")];
  const top = [entry("d"), entry("d/e"), entry("f/x", "file")];
  assert.deepEqual(mergedDirectories([base]), []);
  assert.deepEqual(mergedDirectories([base, above]), ["a", "a/b"]);
  assert.deepEqual(mergedDirectories([base, above, top]), ["a", "a/b", "f"]);
});
