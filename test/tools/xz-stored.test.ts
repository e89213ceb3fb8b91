import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";

import { initModule, unxzAsync } from "node-liblzma/wasm";

import { storeAsXz } from "../../tools/demo/xz-stored.ts";

const SIZES = [0, 1, 3, 4, 127, 128, 0xffff, 0x10000, 0x10001, 300_000];

suite("an .xz without compression", () => {
  test("is read back by liblzma, whatever the size", async () => {
    await initModule();
    for (const size of SIZES) {
      const content = bytes(size);
      assert.deepEqual(Buffer.from(await unxzAsync(storeAsXz(content))), content, `${size} bytes`);
    }
  });

  test("is read back by xz(1), which checks every field of the container", (t) => {
    if (spawnSync("xz", ["--version"]).error !== undefined) return t.skip("no xz(1)");
    for (const size of SIZES) {
      const content = bytes(size);
      const { status, stdout, stderr } = spawnSync("xz", ["-dc"], { input: storeAsXz(content), maxBuffer: 1 << 20 });
      assert.equal(status, 0, `${size} bytes: ${stderr.toString()}`);
      assert.deepEqual(stdout, content, `${size} bytes`);
    }
  });
});

function bytes(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
}
