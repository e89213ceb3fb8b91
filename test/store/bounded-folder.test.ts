// A folder that keeps what was used last, and fails nobody.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { BoundedFolder } from "../../builder/store/bounded-folder.ts";

function open(
  t: TestContext,
  limits: { maxFiles?: number; maxBytes?: number },
): { folder: BoundedFolder; path: string } {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-bounded-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, "tmp"));
  const path = join(root, "kept");
  const temporaryDirectory = join(root, "tmp");
  return { path, folder: new BoundedFolder({ path, temporaryDirectory, maxFiles: 10, maxBytes: 1000, ...limits }) };
}

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString();

test("gives back what was kept, and nothing for what was not", async (t) => {
  const { folder } = open(t, {});
  await folder.write("a", Buffer.from("one"));
  await folder.write("a", Buffer.from("two"));
  assert.equal(text(await folder.read("a")), "two");
  assert.equal(await folder.read("b"), undefined);
});

for (const limits of [{ maxFiles: 2 }, { maxBytes: 20 }]) {
  test(`lets go of what was not used for longest, by ${Object.keys(limits).join()}`, async (t) => {
    const { folder, path } = open(t, limits);
    await folder.write("a", Buffer.alloc(10));
    await folder.write("b", Buffer.alloc(10));
    for (const name of ["a", "b"]) utimesSync(join(path, name), 1, name === "a" ? 1 : 2);
    await folder.read("a"); // now it is younger than b
    await folder.write("c", Buffer.alloc(10));
    assert.deepEqual(readdirSync(path).sort(), ["a", "c"]);
  });
}

test("where nothing can be written it is as if it were empty, and leaves nothing", async (t) => {
  const { folder, path } = open(t, {});
  rmSync(join(path, "../tmp"), { recursive: true });
  await folder.write("a", Buffer.from("x"));
  assert.equal(await folder.read("a"), undefined);
});
