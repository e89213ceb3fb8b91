// Byte strings in layers: found while a layer is packed, in its files, and in its blob, all the same.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { Entry, SourcedEntry } from "../../builder/layer/entry.ts";
import type { FoundString } from "../../builder/layer/jobs/jobs.ts";
import { openLayerJobs } from "../../builder/layer/jobs/pool.ts";
import { never, temporary } from "./support.ts";

const jobs = openLayerJobs({ workers: 1 });
after(() => jobs[Symbol.asyncDispose]());

const STRINGS = ["needle", "need-no-more", "pin", "pinhead"];
const strings = STRINGS.map((text) => Buffer.from(text));

function entry(path: string, more: Partial<Entry> = {}): Entry {
  return { path, type: "file", mode: 0o644, uid: 0, gid: 0, size: 0, mtimeNs: 0n, ...more };
}

function file(path: string, bytes: Buffer): SourcedEntry {
  return { entry: entry(path, { size: bytes.length }), source: { kind: "bytes", bytes } };
}

const texts = (found: readonly FoundString[] | undefined): string[] =>
  (found ?? []).map(({ string, path, where }) => `${STRINGS[string]} ${where} ${path}`).toSorted();

/** What the three ways to look say, which must be one. */
async function look(content: readonly SourcedEntry[], outFile: string): Promise<string[]> {
  const packed = await jobs.pack({ content, outFile, sync: false, compression: "zstd", lookFor: strings }, never);
  const inFiles = await jobs.search({ content, strings }, never);
  const inBlob = await jobs.search({ content: { blobFile: outFile }, strings }, never);
  assert.deepEqual(texts(inFiles), texts(packed.found));
  assert.deepEqual(texts(inBlob), texts(packed.found));
  return texts(packed.found);
}

test("strings are found in names, links, attributes and contents, each entry by itself", async (t) => {
  const content: SourcedEntry[] = [
    { entry: entry("d", { type: "dir" }) },
    file("d/pinhead", Buffer.from("nee")),
    file("d/q", Buffer.from("dle")),
    { entry: entry("l", { type: "symlink", link: "/x/needle" }) },
    {
      entry: entry("x", { xattrs: { "user.x": Buffer.from("a pin") } }),
      source: { kind: "bytes", bytes: Buffer.alloc(0) },
    },
    file("z", Buffer.from("needle need-no-more needle")),
  ];
  assert.deepEqual(await look(content, join(temporary(t), "blob")), [
    "need-no-more content z",
    "needle content z",
    "needle link l",
    "pin attribute x",
    "pin name d/pinhead",
    "pinhead name d/pinhead",
  ]);
});

test("a large file is looked through across the blocks it is cut into", async (t) => {
  const outFile = join(temporary(t), "blob");
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.integer({ min: -8, max: 2 }), async (blocks, offset) => {
      const bytes = Buffer.alloc(3 * (1 << 20) + 5000, ".");
      bytes.write("needle", blocks * (1 << 20) + offset);
      assert.deepEqual(await look([file("small", Buffer.from("x")), file("zz", bytes)], outFile), [
        "needle content zz",
      ]);
    }),
    { numRuns: 12 },
  );
});

test("nothing is found where nothing is looked for", async (t) => {
  const content = [file("a", Buffer.from("needle"))];
  const packed = await jobs.pack(
    { content, outFile: join(temporary(t), "blob"), sync: false, compression: "gzip" },
    never,
  );
  assert.equal(packed.found, undefined);
});
