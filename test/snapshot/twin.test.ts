// The directory of an op's last layer becomes that of its next one, unless somebody may want it.

import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import { type Engine, openEngine } from "../../builder/engine.ts";
import type { SourcedEntry } from "../../builder/layer/entry.ts";
import type { StoredLayer } from "../../builder/snapshot/ref.ts";
import { insideSandboxUser } from "../executor/step-fixture.ts";
import { treeText } from "../layer/support.ts";

const NEVER = new AbortController().signal;
const GZIP = { compression: "gzip" } as const;

/** So many files that they are not linked one by one; the first has this text. */
function entries(text: string): SourcedEntry[] {
  return Array.from({ length: 1000 }, (_, number): SourcedEntry => {
    const bytes = Buffer.from(number === 0 ? text : `${number}`);
    const plain = { type: "file", mode: 0o644, uid: 0, gid: 0, mtimeNs: 1_600_000_000_123_456_789n } as const;
    const path = `f${String(number).padStart(4, "0")}`;
    return { entry: { ...plain, path, size: bytes.length, digest: digestOf(bytes) }, source: { kind: "bytes", bytes } };
  });
}

async function made(engine: Engine, text: string, twin?: string): Promise<StoredLayer> {
  const want = { directory: true, hardlinkSources: false, twin, blob: GZIP, createdMs: 0 };
  return await engine.layers.fromEntries(entries(text), want, NEVER);
}

if (await insideSandboxUser(import.meta.url)) {
  for (const { why, hasBlob, isUsed, isTaken } of [
    {
      why: "nobody uses it and it can be made again, the directory is taken",
      hasBlob: true,
      isUsed: false,
      isTaken: true,
    },
    { why: "another build uses it, files are linked", hasBlob: true, isUsed: true, isTaken: false },
    { why: "it has no blob, files are linked", hasBlob: false, isUsed: false, isTaken: false },
  ]) {
    test(`where ${why}`, async (t) => {
      const root = mkdtempSync(join(tmpdir(), "tsbuild-twin-"));
      t.after(() => rmSync(root, { recursive: true, force: true }));
      const first = await openEngine({ root });
      const layer = await made(first, "one");
      const before = await layer.directory(NEVER);
      const [text, { ino }] = [treeText(before), lstatSync(join(before, "f0999"))];
      if (hasBlob) await layer.blob(GZIP, NEVER);
      if (!isUsed) await first[Symbol.asyncDispose]();

      await using engine = await openEngine({ root });
      const second = await made(engine, "two", layer.id);
      const directory = await second.directory(NEVER);
      assert.equal(lstatSync(join(directory, "f0999")).ino, ino);
      assert.equal(lstatSync(join(directory, "f0999")).nlink, isTaken ? 1 : 2);
      const plain = await made(engine, "two");
      assert.deepEqual(await second.index(NEVER), await plain.index(NEVER));
      assert.deepEqual((await second.blob(GZIP, NEVER)).descriptor, (await plain.blob(GZIP, NEVER)).descriptor);
      const again = engine.layers.get(layer.id);
      assert.equal(again?.hasDirectory(), !isTaken);
      const linkless = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/ [12] (\S+)$/, " $1"));
      assert.deepEqual(linkless(treeText((await again?.directory(NEVER)) ?? "")), linkless(text));
      assert.deepEqual(linkless(treeText(directory)), linkless(treeText(await plain.directory(NEVER))));
      if (isUsed) await first[Symbol.asyncDispose]();
    });
  }
}
