import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, suite, test } from "node:test";
import { giveBack, isLent, keepChunk, readChunk } from "../../builder/core/bytes/lent-chunks.ts";

const MIB = 1 << 20;

suite("chunks of files", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tsbuild-chunks-"));
  const file = path.join(folder, "file");
  const bytes = Buffer.alloc(3 * MIB + 5, "0123456789");
  writeFileSync(file, bytes);
  after(() => rmSync(folder, { recursive: true }));

  test("a chunk that is given back is the memory of the next one", async () => {
    await using handle = await open(file);
    const first = await readChunk(handle, 0);
    assert.ok(isLent(first));
    giveBack(first);
    assert.ok(!isLent(first));
    const second = await readChunk(handle, 5);
    assert.equal(second.buffer, first.buffer);
    assert.ok(bytes.subarray(5, 5 + MIB).equals(second));
    giveBack(second);
    // A second time it is nobody's to give.
    giveBack(second);
    const [third, fourth] = [await readChunk(handle, MIB), await readChunk(handle, 2 * MIB)];
    assert.notEqual(third.buffer, fourth.buffer);
    assert.ok(bytes.subarray(MIB, 2 * MIB).equals(third) && bytes.subarray(2 * MIB, 3 * MIB).equals(fourth));
  });

  test("what is not given back as a whole, or is kept by somebody, stays as it is", async () => {
    await using handle = await open(file);
    const [part, kept] = [await readChunk(handle, 0), await readChunk(handle, MIB)];
    giveBack(part.subarray(0, 100));
    giveBack(part.subarray(100));
    keepChunk(kept);
    giveBack(kept);
    for (let at = 0; at < 12; at++) giveBack(await readChunk(handle, 2 * MIB));
    assert.ok(bytes.subarray(0, MIB).equals(part) && bytes.subarray(MIB, 2 * MIB).equals(kept));
  });

  test("the last chunk is as long as what is left, and an end has none", async () => {
    await using handle = await open(file);
    assert.equal((await readChunk(handle, 3 * MIB)).length, 5);
    assert.equal((await readChunk(handle, bytes.length)).length, 0);
    assert.equal((await readChunk(handle, 0, 7)).length, 7);
  });
});
