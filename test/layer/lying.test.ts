// Archives that are larger than they look, and layers that are not what their image says.

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { apply } from "../../builder/layer/apply.ts";
import { isRoot, refuses, tarOf, temporary } from "./support.ts";

const needsRoot = { skip: isRoot ? false : "needs root: gives files to their owners" };
const check = (): void => undefined;

test("a bomb stops at the limit and leaves nothing", async (t) => {
  const [uid = 0, gid = 0] = [process.getuid?.(), process.getgid?.()];
  const base = temporary(t);
  const blob = join(base, "blob");
  writeFileSync(blob, gzipSync(Buffer.concat([tarOf([{ name: "f", uid, gid, content: Buffer.alloc(50 << 20) }])])));
  const request = {
    blobFile: blob,
    compression: "gzip",
    directory: join(base, "root"),
    overlayXattrs: "trusted",
  } as const;
  await refuses(apply({ ...request, limits: { maxBytes: 1 << 20, maxRatio: 5000 } }, check), /more than 1048576 bytes/);
  await refuses(apply({ ...request, limits: { maxBytes: 1 << 28, maxRatio: 100 } }, check), /more than 100 times/);
  assert.deepEqual(readdirSync(base), ["blob"]);
});

test("a layer that is not what its image says is refused and removed", needsRoot, async (t) => {
  const base = temporary(t);
  writeFileSync(join(base, "blob"), tarOf([{ name: "f", content: "x" }]));
  const diffId = `sha256:${"0".repeat(64)}` as const;
  const request = {
    blobFile: join(base, "blob"),
    compression: "uncompressed",
    directory: join(base, "root"),
    overlayXattrs: "trusted",
    diffId,
  } as const;
  await refuses(apply(request, check), /expected/);
  assert.deepEqual(readdirSync(base), ["blob"]);
});
