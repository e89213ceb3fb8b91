import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { appear } from "../../builder/store/layout.ts";
import { takeLock } from "../../builder/store/lock.ts";

suite("a lock", () => {
  let folder: string;
  before(() => void (folder = mkdtempSync(join(tmpdir(), "tsbuild-lock-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("is had by one at a time", async () => {
    const path = join(folder, "file");
    writeFileSync(path, "");
    let inside = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        await using _lock = await takeLock(path);
        assert.equal(++inside, 1);
        await new Promise(setImmediate);
        inside--;
      }),
    );
  });

  test("is of the file that is there, when its holder has put another one in its place", async () => {
    const path = join(folder, "replaced");
    writeFileSync(path, "old");
    let inside = 0;
    const work = async (): Promise<void> => {
      await using _lock = await takeLock(path);
      assert.equal(++inside, 1);
      await sleep(50);
      inside--;
    };
    const first = await takeLock(path);
    const waiting = work();
    await sleep(50); // it has opened the old file by now
    writeFileSync(`${path}.new`, "new");
    renameSync(`${path}.new`, path);
    const late = work();
    await first[Symbol.asyncDispose]();
    await Promise.all([waiting, late]);
  });

  test("can lie on a file that several make at the same time: the first one stays", async () => {
    const path = join(folder, "made");
    const slow = appear(path, Buffer.alloc(64 << 20), folder, "keep");
    await appear(path, "fast", folder, "keep");
    const first = readFileSync(path, "utf8");
    await slow;
    assert.ok(readFileSync(path, "utf8") === first);
    await appear(path, "later", folder, "keep");
    assert.ok(readFileSync(path, "utf8") === first);
    await appear(path, "later", folder, "replace");
    assert.equal(readFileSync(path, "utf8"), "later");
    assert.deepEqual(readdirSync(folder).toSorted(), ["file", "made", "replaced"]);
  });
});
