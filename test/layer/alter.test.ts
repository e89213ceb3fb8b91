// A layer's directory that is altered into another layer's is as if that had been written.

import assert from "node:assert/strict";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { digestOf } from "../../builder/core/digest.ts";
import { parentOf } from "../../builder/core/bytes/byte-path.ts";
import type { SourcedEntry } from "../../builder/layer/entry.ts";
import { indexChange } from "../../builder/layer/index-change.ts";
import { encodeEntry, indexOfLines } from "../../builder/layer/index-file.ts";
import { openLayerJobs } from "../../builder/layer/jobs/pool.ts";
import { never, temporary, treeText } from "./support.ts";

const jobs = openLayerJobs({ workers: 1 });
after(() => jobs[Symbol.asyncDispose]());

const own = { overlayXattrs: "user" } as const;
const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

/** What is at a path: a file's text, a link's target, or a directory's mode. */
type Thing = {
  readonly kind: "file" | "symlink" | "dir";
  readonly text: string;
  readonly mode: number;
  readonly time: number;
};

const thing = fc.record({
  kind: fc.constantFrom("file", "file", "symlink", "dir"),
  text: fc.constantFrom("one", "two"),
  mode: fc.constantFrom(0o755, 0o700),
  time: fc.constantFrom(1, 2),
});
const tree = fc.dictionary(fc.constantFrom("a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/a/b", "a-b", "a/a-a"), thing);

/** Entries of a tree: what a path lies below is a directory. */
function entriesOf(things: Readonly<Record<string, Thing>>): SourcedEntry[] {
  const all = new Map(Object.entries(things));
  for (const path of Object.keys(things)) {
    for (let above = parentOf(path); above !== ""; above = parentOf(above))
      all.set(above, { text: "", mode: 0o755, time: 1, ...things[above], kind: "dir" });
  }
  return [...all].map(([path, { kind, text, mode, time }]): SourcedEntry => {
    const entry = { path, type: kind, mode, ...owner, size: 0, mtimeNs: BigInt(time) * 1_000_000_000n };
    if (kind === "dir") return { entry };
    if (kind === "symlink") return { entry: { ...entry, mode: 0o777, link: text } };
    const bytes = Buffer.from(text);
    return { entry: { ...entry, size: bytes.length, digest: digestOf(bytes) }, source: { kind: "bytes", bytes } };
  });
}

test("a directory is altered into what would have been written", async (t) => {
  const base = temporary(t);
  let number = 0;
  await fc.assert(
    fc.asyncProperty(tree, tree, async (before, wanted) => {
      const [altered, plain] = [join(base, `${++number}-altered`), join(base, `${number}-plain`)];
      const { index } = await jobs.write(
        { entries: entriesOf(before), directory: altered, hardlinkSources: false, ...own },
        never,
      );
      const { index: want } = await jobs.write(
        { entries: entriesOf(wanted), directory: plain, hardlinkSources: false, ...own },
        never,
      );
      const change = indexChange(index.bytes, entriesOf(wanted), Number.POSITIVE_INFINITY);
      assert.ok(change);
      await jobs.alter({ change, directory: altered, ...own }, never);
      assert.deepEqual(treeText(altered), treeText(plain));
      assert.deepEqual(
        change.entries.map(({ entry }) => entry),
        want.entries,
      );
      const lines = change.parts.map((part) =>
        part instanceof Uint8Array ? part : Buffer.from(encodeEntry(part), "latin1"),
      );
      assert.deepEqual(Buffer.from(indexOfLines(lines, change.entries.length)), Buffer.from(want.bytes));
    }),
    { numRuns: 25 },
  );
});

test("a file that has a name elsewhere is never written in place", async (t) => {
  const base = temporary(t);
  const [first, second] = [join(base, "first"), join(base, "second")];
  const one = entriesOf({ a: { kind: "file", text: "one", mode: 0o755, time: 1 } });
  const { index } = await jobs.write({ entries: one, directory: first, hardlinkSources: false, ...own }, never);
  const twin = { index: index.bytes, directory: first };
  await jobs.write({ entries: one, directory: second, hardlinkSources: false, ...own, twin }, never);
  assert.equal(lstatSync(join(second, "a")).nlink, 2);
  const seen = treeText(first).map((line) => line.replace(" 2 one", " 1 one"));
  for (const other of [{ text: "two" }, { mode: 0o700 }, { time: 2 }]) {
    const change = indexChange(
      index.bytes,
      entriesOf({ a: { kind: "file", text: "one", mode: 0o755, time: 1, ...other } }),
      9,
    );
    assert.ok(change);
    await jobs.alter({ change, directory: second, ...own }, never);
    assert.deepEqual(treeText(first), seen);
  }
});

test("what is too much, of unknown content, or linked is no change that can be made", () => {
  const many = entriesOf({
    a: { kind: "file", text: "one", mode: 0o755, time: 1 },
    b: { kind: "file", text: "one", mode: 0o755, time: 1 },
  });
  assert.equal(indexChange(new Uint8Array(), many, 1), undefined);
  assert.equal(indexChange(new Uint8Array(), many, 2)?.added.length, 2);
  const [file] = many;
  assert.ok(file);
  const link: SourcedEntry = { entry: { ...file.entry, path: "c", type: "hardlink", size: 0, link: "a" } };
  assert.equal(indexChange(new Uint8Array(), [file, link], 9), undefined);
  const { digest: _unknown, ...entry } = file.entry;
  assert.equal(indexChange(new Uint8Array(), [{ ...file, entry }], 0), undefined);
});
