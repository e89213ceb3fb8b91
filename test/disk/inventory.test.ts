// What lies in a store without a build having put it there: each folder is counted as du(1) counts it, and goes when asked.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { openDatabase } from "../../builder/cache/database.ts";
import { clientFolders } from "../../builder/client-folders.ts";
import { ruleOf } from "../../builder/disk-settings.ts";
import { bytesToKeep, DEFAULT_SETTINGS } from "../../builder/disk/settings.ts";
import { diskUsage, prune } from "../../builder/disk-usage.ts";
import { openSpace } from "../../builder/engine/space.ts";
import { prepareStore } from "../../builder/store/open.ts";
import { onDiskBytes } from "../support/on-disk.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-inventory-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const signal = new AbortController().signal;
const hex = (digit: number): string => String(digit).padStart(64, "0");

async function store(name: string): Promise<string> {
  const root = join(folder, name);
  await prepareStore(root);
  await diskUsage(root, []); // makes the records
  return root;
}

function put(path: string, bytes: number): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, Buffer.alloc(bytes, 1));
}

async function pruned(root: string): Promise<readonly string[]> {
  const kinds: string[] = [];
  const amounts = { reserved: { bytes: 0 }, maxUsed: { bytes: 0 }, minFree: { bytes: 0 } };
  await prune(
    { root, all: true, filters: [], keepMs: 0, ...amounts, onRemoved: ({ kind }) => kinds.push(kind) },
    signal,
  );
  return kinds.toSorted();
}

suite("the inventory of a store", () => {
  test("mirrors, downloads, mounts, contexts and tables are counted as du(1) counts them, and can go", async () => {
    const root = await store("all");
    const own = join(root, "tsbuild");
    put(join(own, "git", hex(1), "objects/pack"), 70_000);
    put(join(own, "git/known_hosts"), 100);
    put(join(own, "http/blobs/sha256", hex(2)), 30_000);
    put(join(own, "http/urls", hex(3)), 100);
    put(join(own, "mounts", hex(4), "a/b"), 9000);
    put(join(own, "mounts", `${hex(4)}.from`), 71);
    put(join(own, "partial", hex(5)), 5000);
    put(join(own, "statcache", hex(6)), 5000);
    for (const name of ["indexes", "places", "notes", "listings", "blocks"]) put(join(own, name, "x"), 300);
    const contexts = clientFolders(root);
    for (const key of ["one", "used"]) {
      using place = contexts.take(key);
      put(join(place.directory, "src/file"), 12_345);
    }
    const { items, store: inventory } = await diskUsage(root, []);
    assert.equal(inventory.totalBytes, await onDiskBytes(root));
    assert.equal(inventory.others.get("unknown"), undefined, "nothing is unknown");
    const bytes = (kind: string): number[] => items.filter((item) => item.kind === kind).map((item) => item.bytes);
    assert.deepEqual(bytes("client context").map((size) => size >= 12_345), [true, true]); // prettier-ignore

    const kinds = ["cache mount", "client context", "context digests", "download", "git repository"];
    const tables = Array.from({ length: 6 }, () => "lookup table");
    {
      using _used = contexts.take("used");
      assert.deepEqual(await pruned(root), [...kinds, ...tables, "unfinished download"]);
      assert.ok(existsSync(join(_used.directory, "src/file")), "a context that a build uses stays");
    }
    assert.deepEqual(await pruned(root), ["client context"]);
    const after = await diskUsage(root, []);
    assert.deepEqual(after.items, []);
    assert.equal(after.store.totalBytes, await onDiskBytes(root));
    assert.ok(!existsSync(join(own, "mounts", `${hex(4)}.from`)));
  });

  test("room for much is made though somebody else has just had room made for little", async () => {
    const root = await store("room");
    for (let number = 0; number < 8; number++) put(join(root, "tsbuild/git", hex(number), "pack"), 1 << 20);
    const { database } = openDatabase(join(root, "tsbuild/cache.db"));
    const ceiling = { bytes: 8_600_000 };
    {
      const disk = { ...DEFAULT_SETTINGS, ceiling, rules: [] };
      await using space = await openSpace({ root, database, disk, privileged: true, onFault: assert.fail });
      space.landed(`git/${hex(0)}`, 0);
      await diskUsage(root, []);
      const reserved = await Promise.all([300_000, 3_000_000, 2_000_000].map((bytes) => space.reserve(bytes)));
      for (const one of reserved) one[Symbol.dispose]();
      await assert.rejects(space.reserve(9_000_000), /may take 8.6 MB/);
    }
    database.close();
  });
});

test("a rule leaves what is reserved when nothing else is said, and never less", () => {
  const left = (amounts: Readonly<Record<string, { readonly bytes: number }>>): number | undefined =>
    bytesToKeep(ruleOf({ all: true, keepMs: 0, filters: [], ...amounts }), 1000, { size: 5000, free: 200 });
  assert.equal(left({}), undefined);
  assert.equal(left({ reserved: { bytes: 300 } }), 300);
  assert.equal(left({ maxUsed: { bytes: 400 } }), 400);
  assert.equal(left({ maxUsed: { bytes: 400 }, reserved: { bytes: 600 } }), 600);
  assert.equal(left({ minFree: { bytes: 100 } }), 1000);
  assert.equal(left({ minFree: { bytes: 900 } }), 300);
  assert.equal(left({ minFree: { bytes: 900 }, maxUsed: { bytes: 200 } }), 200);
});
