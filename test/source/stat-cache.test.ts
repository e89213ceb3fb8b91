// The stat cache is never wrong: what it does not know for sure it does not know.

import assert from "node:assert/strict";
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { suite, test } from "node:test";

import { digestOf } from "../../builder/core/digest.ts";
import { fingerprintOf } from "../../builder/source/fingerprint.ts";
import { LocalTree } from "../../builder/source/local-tree.ts";
import { StatCache } from "../../builder/source/stat-cache.ts";
import { NEVER, temporaryFolder } from "./support.ts";

const LATER_MS = 60_000;

interface World {
  readonly root: string;
  readonly store: string;
  /** One build: the digest of "f", and whether the cache knew it. */
  build(nowMs?: number): Promise<{ readonly digest: string; readonly wasKnown: boolean }>;
}

function world(t: TestContext): World {
  const folder = temporaryFolder(t);
  const root = path.join(folder, "context");
  mkdirSync(root);
  mkdirSync(path.join(folder, "work"));
  const store = path.join(folder, "store");
  return {
    root,
    store,
    async build(nowMs = Date.now() + LATER_MS) {
      const cache = StatCache.open(root, { storeDirectory: store, workDirectory: path.join(folder, "work"), nowMs });
      assert.ok(cache, "the tests' folder is on a file system that is trusted");
      const wasKnown =
        cache.lookup("f", fingerprintOf(lstatSync(path.join(root, "f"), { bigint: true }))) !== undefined;
      const digest = (await new LocalTree(root, { digestCache: cache }).digests(["f"], NEVER)).get("f");
      cache.save();
      return { digest: digest ?? "", wasKnown };
    },
  };
}

const fileOf = ({ store }: World): string =>
  path.join(store, "statcache", readdirSync(path.join(store, "statcache"))[0] ?? "");

suite("the stat cache", () => {
  test("knows a file that did not change", async (t) => {
    const it = world(t);
    writeFileSync(path.join(it.root, "f"), "one");
    assert.deepEqual(await it.build(), { digest: digestOf("one"), wasKnown: false });
    assert.deepEqual(await it.build(), { digest: digestOf("one"), wasKnown: true });
  });

  test("is not deceived by other bytes of the same size under the same mtime", async (t) => {
    const it = world(t);
    const file = path.join(it.root, "f");
    writeFileSync(file, "one");
    const { atime, mtime } = lstatSync(file);
    await it.build();
    writeFileSync(file, "two");
    utimesSync(file, atime, mtime);
    assert.deepEqual(await it.build(), { digest: digestOf("two"), wasKnown: false });
  });

  test("nor by another file that is moved to its place with the same size and mtime", async (t) => {
    const it = world(t);
    const [file, other] = [path.join(it.root, "f"), path.join(it.root, "other")];
    for (const [name, text] of [
      [file, "one"],
      [other, "two"],
    ] as const) {
      writeFileSync(name, text);
      utimesSync(name, 1_700_000_000, 1_700_000_000);
    }
    await it.build();
    renameSync(other, file);
    assert.deepEqual(await it.build(), { digest: digestOf("two"), wasKnown: false });
  });

  test("does not keep what changed just before the build began, or while it ran", async (t) => {
    const it = world(t);
    writeFileSync(path.join(it.root, "f"), "one");
    for (const nowMs of [Date.now() + 100, Date.now(), Date.now() - LATER_MS]) {
      await it.build(nowMs);
      assert.equal((await it.build(nowMs)).wasKnown, false);
    }
  });

  test("forgets a file that is no longer to be trusted", async (t) => {
    const it = world(t);
    writeFileSync(path.join(it.root, "f"), "one");
    await it.build();
    appendFileSync(path.join(it.root, "f"), "!");
    await it.build(Date.now());
    assert.equal((await it.build()).wasKnown, false);
  });

  test("knows the last of each file, whether records are put behind the others or all are written anew", async (t) => {
    const it = world(t);
    const place = { storeDirectory: it.store, workDirectory: it.root, nowMs: Date.now() + LATER_MS };
    const names = Array.from({ length: 80 }, (_, number) => `f${number}`);
    const open = (nowMs = place.nowMs): StatCache =>
      StatCache.open(it.root, { ...place, nowMs }) ?? assert.fail("no cache");
    const fingerprint = (name: string): string => fingerprintOf(lstatSync(path.join(it.root, name), { bigint: true }));
    const build = async (changed: readonly string[], nowMs?: number): Promise<number> => {
      for (const name of changed) appendFileSync(path.join(it.root, name), "!");
      const cache = open(nowMs);
      await new LocalTree(it.root, { digestCache: cache }).digests(names, NEVER);
      cache.save();
      const after = open();
      for (const name of names) {
        const isForgotten = nowMs !== undefined && changed.includes(name);
        const digest = isForgotten ? undefined : digestOf(readFileSync(path.join(it.root, name)));
        assert.equal(after.lookup(name, fingerprint(name)), digest, name);
      }
      return readFileSync(fileOf(it)).length;
    };
    for (const name of names) writeFileSync(path.join(it.root, name), name);
    const least = await build([]);
    const sizes = [];
    for (let round = 0; round < 15; round++) sizes.push(await build([`f${round % 12}`]));
    assert.ok(sizes.some((size) => size > least) && sizes.includes(least), sizes.join(" "));
    assert.ok(Math.max(...sizes) < least * 1.2, sizes.join(" "));
    await build(["f3"], Date.now() - LATER_MS);
    await build(["f4"]);
  });

  test("counts a file that is damaged, cut, of another version or of another context as empty", async (t) => {
    const it = world(t);
    writeFileSync(path.join(it.root, "f"), "one");
    const damages: ((file: string, bytes: Buffer) => void)[] = [
      (file, bytes) => writeFileSync(file, bytes.with(bytes.length - 80, bytes[bytes.length - 80] === 48 ? 49 : 48)),
      (file, bytes) => truncateSync(file, bytes.length - 1),
      (file) => truncateSync(file, 0),
      (file) => writeFileSync(file, "x".repeat(1000)),
      (file, bytes) => {
        const body = bytes.subarray(0, -64).toString("latin1").replace(it.root, `${it.root}/`);
        writeFileSync(file, body + digestOf(Buffer.from(body, "latin1")).slice(7), "latin1");
      },
    ];
    for (const [at, damage] of damages.entries()) {
      await it.build();
      assert.equal((await it.build()).wasKnown, true);
      damage(fileOf(it), readFileSync(fileOf(it)));
      assert.deepEqual(await it.build(), { digest: digestOf("one"), wasKnown: false }, `damage ${at}`);
    }
  });

  test("keeps names of any bytes apart", async (t) => {
    const it = world(t);
    const names = ["a b", "new\nline", "1 2 3 4 5 6", "caf\xe9", "tab\t"];
    for (const name of names) writeFileSync(Buffer.from(`${it.root}/${name}`, "latin1"), name);
    writeFileSync(path.join(it.root, "f"), "one");
    const place = { storeDirectory: it.store, workDirectory: it.root, nowMs: Date.now() + LATER_MS };
    const first = StatCache.open(it.root, place);
    await new LocalTree(it.root, { digestCache: first ?? assert.fail() }).digests(names, NEVER);
    first?.save();
    const second = StatCache.open(it.root, place);
    for (const name of names) {
      const stat = lstatSync(Buffer.from(`${it.root}/${name}`, "latin1"), { bigint: true });
      assert.equal(second?.lookup(name, fingerprintOf(stat)), digestOf(name), JSON.stringify(name));
    }
  });

  test("trusts no file system that is not this machine's own", () => {
    assert.equal(
      StatCache.open("/proc", { storeDirectory: "/nowhere", workDirectory: "/nowhere", nowMs: 0 }),
      undefined,
    );
  });
});
