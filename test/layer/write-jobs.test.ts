// Writing the files of a layer through the pool of workers.

import assert from "node:assert/strict";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import { setMtimeNs } from "../../builder/core/system/syscall.ts";
import type { SourcedEntry } from "../../builder/layer/entry.ts";
import { openLayerJobs } from "../../builder/layer/jobs/pool.ts";
import { entriesOf, isRoot, never, temporary, treeText, sampleTree } from "./support.ts";

const jobs = openLayerJobs({ workers: 2 });
after(() => jobs[Symbol.asyncDispose]());

const needsRoot = { skip: isRoot ? false : "needs root: gives files to other users" };

test("writing gives owners, modes, times, and hard links sources that are alike", needsRoot, async (t) => {
  const base = temporary(t);
  sampleTree(join(base, "tree"));
  const entries = entriesOf(join(base, "tree"));
  const request = { overlayXattrs: "trusted", hardlinkSources: true } as const;
  const { index: written } = await jobs.write({ entries, directory: join(base, "linked"), ...request }, never);
  const strip = (lines: string[]): string[] => lines.map((line) => line.replace(/^(.* \d+:\d+ -?\d+) \d+ /, "$1 "));
  assert.deepEqual(strip(treeText(join(base, "linked"))), strip(treeText(join(base, "tree"))));
  assert.equal(lstatSync(join(base, "linked/d/f7")).ino, lstatSync(join(base, "tree/d/f7")).ino);
  assert.equal(written.entries.find(({ path }) => path === "d/file")?.digest, digestOf("hello"));
  const given = entries.map(({ entry, source }): SourcedEntry => ({
    entry: { ...entry, uid: 12, gid: 13 },
    ...(source === undefined ? {} : { source }),
  }));
  await jobs.write({ entries: given, directory: join(base, "given"), ...request }, never);
  assert.ok(treeText(join(base, "given")).every((line) => line.includes(" 12:13 ")));
  assert.notEqual(lstatSync(join(base, "given/d/f7")).ino, lstatSync(join(base, "tree/d/f7")).ino);
});

test("a file that a twin has is linked from it: where bytes, mode, owner and time are the same, and only there", async (t) => {
  const base = temporary(t);
  const names = ["same", "bytes", "mode", "time", "unknown", "new"];
  mkdirSync(join(base, "tree"));
  for (const name of names) writeFileSync(join(base, "tree", name), "one", { mode: 0o644 });
  const own = { overlayXattrs: "user", hardlinkSources: false } as const;
  const digests = (): SourcedEntry[] =>
    entriesOf(join(base, "tree")).map((item) => {
      const { path } = item.entry;
      if (path === "unknown") return item;
      return { ...item, entry: { ...item.entry, digest: digestOf(readFileSync(join(base, "tree", path))) } };
    });
  const first = digests().filter(({ entry }) => entry.path !== "new");
  const { index } = await jobs.write({ entries: first, directory: join(base, "first"), ...own }, never);

  const { mtimeNs } = statSync(join(base, "tree/bytes"), { bigint: true });
  writeFileSync(join(base, "tree/bytes"), "two");
  setMtimeNs(join(base, "tree/bytes"), mtimeNs);
  chmodSync(join(base, "tree/mode"), 0o755);
  setMtimeNs(join(base, "tree/time"), mtimeNs + 1n);
  const twin = { index: index.bytes, directory: join(base, "first") };
  const { index: written } = await jobs.write(
    { entries: digests(), directory: join(base, "second"), ...own, twin },
    never,
  );
  const { index: plain } = await jobs.write({ entries: digests(), directory: join(base, "plain"), ...own }, never);
  assert.deepEqual(written.entries, plain.entries);
  const isLinked = (name: string): boolean =>
    lstatSync(join(base, "second", name)).ino === lstatSync(join(base, "first", name), { throwIfNoEntry: false })?.ino;
  assert.deepEqual(names.filter(isLinked), ["same"]);
  for (const name of names) {
    const [linked, made] = [join(base, "second", name), join(base, "plain", name)];
    assert.equal(readFileSync(linked, "utf8"), readFileSync(made, "utf8"));
    assert.equal(lstatSync(linked).mode, lstatSync(made).mode);
    assert.equal(lstatSync(linked, { bigint: true }).mtimeNs, lstatSync(made, { bigint: true }).mtimeNs);
  }
});

test("what is not as its digest says is not written", async (t) => {
  const base = temporary(t);
  writeFileSync(join(base, "f"), "two");
  const [item] = entriesOf(base).filter(({ entry }) => entry.path === "f");
  assert.ok(item);
  const entries = [{ ...item, entry: { ...item.entry, digest: digestOf("one") } }];
  const request = { entries, directory: join(base, "d"), overlayXattrs: "user", hardlinkSources: false } as const;
  await assert.rejects(jobs.write(request, never), /"[^"]*f" changed while it was read/);
});

test("two files that are one file in the source stay two", async (t) => {
  const base = temporary(t);
  writeFileSync(join(base, "f"), "x", { mode: 0o644 });
  const stat = lstatSync(join(base, "f"), { bigint: true });
  const entry = (path: string): SourcedEntry => ({
    entry: {
      path,
      type: "file",
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: 1,
      mtimeNs: stat.mtimeNs,
    },
    source: { kind: "path", path: join(base, "f") },
  });
  await jobs.write(
    { entries: [entry("a"), entry("b")], directory: join(base, "d"), overlayXattrs: "user", hardlinkSources: true },
    never,
  );
  assert.notEqual(lstatSync(join(base, "d/a")).ino, lstatSync(join(base, "d/b")).ino);
});

test("entries that lead through a link of their own are refused", async (t) => {
  const base = temporary(t);
  mkdirSync(join(base, "outside"));
  const plain = { mode: 0o777, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, size: 0, mtimeNs: 0n };
  const entries: SourcedEntry[] = [
    { entry: { ...plain, path: "l", type: "symlink", link: join(base, "outside") } },
    { entry: { ...plain, path: "l/f", type: "file" }, source: { kind: "bytes", bytes: new Uint8Array(0) } },
  ];
  await assert.rejects(
    jobs.write({ entries, directory: join(base, "d"), overlayXattrs: "user", hardlinkSources: false }, never),
    /EEXIST/,
  );
  assert.deepEqual(readdirSync(join(base, "outside")), []);
});
