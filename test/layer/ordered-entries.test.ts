// Entries that are read from an index one by one are those that it lists, in the order of a tar.

import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import type { Entry } from "../../builder/layer/entry.ts";
import { encodeIndex } from "../../builder/layer/index-file.ts";
import { orderedEntries } from "../../builder/layer/ordered-entries.ts";

const plain = { mode: 0o644, uid: 1, gid: 2, size: 3, mtimeNs: 4n } as const;
const file = (path: string): Entry => ({ ...plain, path, type: "file", digest: digestOf(path) });
const directory = (path: string): Entry => ({ ...plain, path, type: "dir", size: 0 });
const sorted = [
  directory("a"),
  file("a/b"),
  { ...directory("a/l"), type: "symlink", link: "b\tc" } as const,
  file("a-b"),
];

function read(entries: readonly Entry[]): ReturnType<typeof orderedEntries> {
  const content = { index: encodeIndex(entries), directory: "/d" };
  return orderedEntries({ content, outFile: "", sync: false, compression: "gzip" });
}

test("an index in order is read line by line, and is what comes out", () => {
  const entries = read(sorted);
  assert.equal(entries.all(), undefined);
  assert.deepEqual(
    sorted.map((_, number) => entries.item(number)),
    sorted.map((entry) =>
      entry.type === "file" ? { entry, source: { kind: "path", path: `/d/${entry.path}` } } : { entry },
    ),
  );
  const bytes = encodeIndex(sorted);
  assert.deepEqual(Buffer.from(entries.lines(0, 4) ?? []), Buffer.from(bytes.subarray(bytes.indexOf(0x0a) + 1)));
  assert.equal(read([]).length, 0);
});

test("of one that is not in order, or says less, all entries are listed", () => {
  const link: Entry = { ...plain, path: "a-b", type: "hardlink", size: 0, link: "a/b" };
  const { digest: _unknown, ...unknown } = file("a/b");
  const marked: Entry = { ...directory("a-b"), type: "whiteout", mtimeNs: 0n };
  for (const [given, want] of [
    [sorted.toReversed(), sorted],
    [[directory("a"), file("a/b"), link]],
    [[directory("a"), unknown]],
    [[directory("a"), marked]],
    [[file("a\\b")]],
  ] as const)
    assert.deepEqual(read(given).all(), want ?? given);
  const entries = read([directory("a"), unknown]);
  assert.equal(entries.lines(0, 2), undefined);
  entries.learn(1, digestOf("a/b"));
  assert.deepEqual(entries.item(1).entry, file("a/b"));
  assert.ok(entries.lines(0, 2));
});

test("a damaged index is refused", () => {
  const index = encodeIndex(sorted);
  index[index.length - 3] = 0;
  const request = { content: { index, directory: "/d" }, outFile: "", sync: false, compression: "gzip" } as const;
  assert.throws(() => orderedEntries(request), /the index of a layer is damaged/);
});
