// What a remote client sends is known by its digest when it has come: no build reads it again.

import assert from "node:assert/strict";
import { linkSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ClientFile } from "../../builder/core/client-file.ts";
import { FREE_SPACE } from "../../builder/core/space.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { fingerprintOf } from "../../builder/source/fingerprint.ts";
import { KeptFolders } from "../../builder/source/kept-folders.ts";
import { StatCache } from "../../builder/source/stat-cache.ts";

const MTIME_NS = 1_700_000_000_000_000_000n;

test("digests are kept of what has come, whole or in pieces, also of what has another name, and follow what changes", (t) => {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-kept-"));
  t.after(() => rmSync(root, { recursive: true }));
  using place = new KeptFolders(root).take("context");
  const { directory } = place;
  const known = (path: string): string | undefined => {
    const cache = StatCache.open(directory, { storeDirectory: root, workDirectory: root, nowMs: 0 });
    assert.ok(cache !== undefined, "the file system of temporary folders is one whose times are trusted");
    return cache.lookup(path, fingerprintOf(lstatSync(join(directory, path), { bigint: true })));
  };
  const send = (files: Readonly<Record<string, readonly string[]>>, mtimeNs: bigint, links = {}): void => {
    using folder = place.receive(() => undefined, FREE_SPACE);
    const common = { type: "file", mode: 0o640, uid: 0, gid: 0, mtimeNs } as const;
    for (const [path, pieces] of Object.entries(files)) {
      const isWanted = folder.entry({ ...common, path, size: pieces.join("").length });
      if (!isWanted) continue;
      for (const piece of pieces) folder.data(path, Buffer.from(piece));
      folder.done(path);
    }
    for (const [path, link] of Object.entries<string>(links))
      folder.entry({ ...common, path, type: "hardlink", size: 0, link } satisfies ClientFile);
    folder.finish();
  };

  const files = { empty: [], linked: ["two names"], pieces: ["a ", "b ", "c"], whole: ["one piece"] };
  send(files, MTIME_NS, { other: "linked" });
  for (const path of ["linked", "pieces", "whole"] as const)
    assert.equal(known(path), digestOf(files[path].join("")), path);

  // Equal in size, and a client may say any time.
  send({ ...files, whole: ["another 1"] }, MTIME_NS + 1n, { other: "linked" });
  assert.equal(known("whole"), digestOf("another 1"));
  assert.equal(known("pieces"), digestOf("a b c"));

  writeFileSync(join(directory, "whole"), "not by us");
  assert.equal(known("whole"), undefined);
});

test("what changed is written over, but never through another name of it, and has its mode and size", (t) => {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-kept-"));
  t.after(() => rmSync(root, { recursive: true }));
  using place = new KeptFolders(root).take("context");
  const at = (name: string): string => join(place.directory, name);
  const send = (bytes: string, mode: number, mtimeNs: bigint): void => {
    using folder = place.receive(() => undefined, FREE_SPACE);
    for (const path of ["linked", "single"]) {
      const file = { type: "file", mode, uid: 0, gid: 0, mtimeNs, path, size: bytes.length } as const;
      if (!folder.entry(file)) continue;
      folder.data(path, Buffer.from(bytes));
      folder.done(path);
    }
    folder.finish();
  };
  send("long as it was", 0o4755, MTIME_NS);
  linkSync(at("linked"), join(root, "elsewhere"));
  const before = lstatSync(at("single")).ino;
  // Read-only files, and those without special bits, come after others and before others.
  for (const [bytes, mode] of [
    ["short", 0o644],
    ["longer than before", 0o444],
    ["end", 0o2600],
  ] as const) {
    send(bytes, mode, MTIME_NS + BigInt(bytes.length));
    for (const name of ["linked", "single"]) {
      const { mode: found, mtimeMs } = lstatSync(at(name));
      assert.equal(found & 0o7777, mode, `${name}, ${bytes}`);
      assert.equal(mtimeMs, Number(MTIME_NS / 1_000_000n), name);
      assert.equal(readFileSync(at(name), "latin1"), bytes, name);
    }
    if (bytes === "short") assert.equal(lstatSync(at("single")).ino, before, "no other file has taken its place");
  }
  assert.equal(readFileSync(join(root, "elsewhere"), "latin1"), "long as it was");
});

test("nothing is asked for that has no room", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-kept-"));
  t.after(() => rmSync(root, { recursive: true }));
  using place = new KeptFolders(root).take("context");
  const full = { ...FREE_SPACE, reserve: () => Promise.reject(new Error("the store is full")) };
  using folder = place.receive(() => undefined, full);
  assert.ok(folder.entry({ path: "a", type: "file", mode: 0o644, uid: 0, gid: 0, size: 2 ** 40, mtimeNs: 0n }));
  await assert.rejects(folder.room(), /full/);
});
