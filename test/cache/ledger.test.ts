// The account of a store, and its leases: processes that share one, and processes that are killed.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, suite, test } from "node:test";
import { openDatabase } from "../../builder/cache/database.ts";
import { Ledger } from "../../builder/cache/ledger.ts";
import { CacheRecords } from "../../builder/cache/records.ts";
import { prunedAt, pruneResultsOf } from "../../builder/cache/pruned.ts";
import { BuildError } from "../../builder/core/errors.ts";

const NEVER = (): void => assert.fail("it was removed");

suite("the ledger of a store", () => {
  let folder: string;
  let root: string;
  let number = 0;
  before(() => (folder = mkdtempSync(join(tmpdir(), "tsbuild-ledger-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    root = join(folder, `${number++}`);
    mkdirSync(join(root, "leases"), { recursive: true });
  });

  function open(now = Date.now): Ledger {
    return new Ledger(openDatabase(join(root, "cache.db")).database, join(root, "leases"), now);
  }

  test("what another process uses stays until it is done, and no longer", () => {
    const [user, collector] = [open(), open()];
    user.takeLease();
    user.hold("layer/a", "blob/b");
    assert.equal(collector.removeUnlessHeld(["layer/a"], collector.floor(), { remove: NEVER }), false);
    assert.equal(collector.removeUnlessHeld(["layer/c", "blob/b"], collector.floor(), { remove: NEVER }), false);
    user.landed("layer/a", 100, true);
    const take = (): number => 30;
    assert.equal(user.takeUnlessHeld("layer/a", user.floor(), take), undefined);
    assert.equal(collector.takeUnlessHeld("layer/a", collector.floor(), take), undefined);
    user.endLease();
    assert.equal(collector.takeUnlessHeld("layer/a", collector.floor(), take), 70);
    assert.equal(collector.items().get("layer/a")?.bytes, 30);
    assert.deepEqual(readdirSync(join(root, "leases")), []);
    assert.equal(collector.removeUnlessHeld(["layer/a"], collector.floor(), { remove: () => undefined }), true);
  });

  test("what somebody begins to use while garbage is being looked for stays, also once that somebody has ended", () => {
    const [user, collector] = [open(), open()];
    const floor = collector.floor();
    user.takeLease();
    user.hold("layer/a");
    user.endLease();
    assert.equal(collector.removeUnlessHeld(["layer/a"], floor, { remove: NEVER }), false);
  });

  test("what was used before the oldest living process goes, whatever the clock says", () => {
    const ahead = open(() => Date.now() + 1e10);
    ahead.takeLease();
    ahead.hold("layer/a");
    ahead.endLease();
    const [user, collector] = [open(() => 1000), open()];
    user.takeLease();
    user.hold("layer/b");
    const floor = collector.floor();
    let removed = 0;
    assert.ok(collector.removeUnlessHeld(["layer/a"], floor, { remove: () => removed++ }));
    assert.ok(!collector.removeUnlessHeld(["layer/b"], floor, { remove: NEVER }));
    assert.equal(removed, 1);
  });

  test("a process that is killed holds nothing, and has reserved nothing", async () => {
    const child = await holder(root, "layer/a", 1000);
    const ledger = open();
    const ended = new Promise((resolve) => child.once("close", resolve));
    try {
      assert.equal(ledger.reservedBytes(), 1000);
      assert.equal(ledger.removeUnlessHeld(["layer/a"], ledger.floor(), { remove: NEVER }), false);
    } finally {
      child.kill("SIGKILL");
    }
    await ended;
    assert.deepEqual(ledger.takeLease(), { someoneDied: true });
    assert.equal(ledger.reservedBytes(), 0);
    assert.ok(ledger.removeUnlessHeld(["layer/a"], ledger.floor(), { remove: () => undefined }));
  });

  test("who is killed while files go leaves no record of what is gone", () => {
    const { database } = openDatabase(join(root, "cache.db"));
    const collector = new Ledger(database, join(root, "leases"), Date.now);
    collector.landed("layer/a", 100, true);
    new CacheRecords(database).save("sha256:k", { layers: ["a"] }, "RUN", 1);
    const othersRecords = new CacheRecords(openDatabase(join(root, "cache.db")).database);
    assert.ok(othersRecords.find("sha256:k"));
    const isGone = collector.removeUnlessHeld(["layer/a"], collector.floor(), {
      forget: () => pruneResultsOf(database, "a", 1),
      // What another process sees now is what a kill would leave.
      remove: () => assert.equal(othersRecords.find("sha256:k"), undefined),
    });
    assert.ok(isGone);
    assert.equal(collector.items().get("layer/a"), undefined);
  });

  test("no more is reserved than there is below the ceiling, by all processes together", () => {
    const [one, other] = [open(), open()];
    one.takeLease();
    other.takeLease();
    one.landed("blob/a", 300, true);
    assert.ok(one.tryReserve(400, 1000));
    assert.ok(!other.tryReserve(301, 1000));
    assert.ok(other.tryReserve(300, 1000));
    one.tryReserve(-400, 1000);
    one.landed("blob/b", 100, true);
    assert.ok(!other.tryReserve(301, 1000));
    assert.ok(other.tryReserve(300, 1000));
    one.endLease();
    other.endLease();
    assert.equal(one.usedBytes(), 400);
    assert.equal(one.reservedBytes(), 0);
  });

  test("records of pruned layers are noted, the newest ones only", () => {
    const { database } = openDatabase(join(root, "cache.db"));
    const records = new CacheRecords(database);
    records.save("sha256:k1", { layers: ["a", "b"] }, "[1/2] RUN one", 1);
    records.save("sha256:k2", { layers: ["a"] }, "[2/2] RUN two", 2);
    records.save("sha256:k3", { layers: ["c"] }, "RUN three", 3);
    for (const layer of ["b", "b2", "a"]) records.saveLayerFact(layer, "sha256:f", layer);
    records.saveFact("sha256:f", "other");
    assert.equal(pruneResultsOf(database, "b", 77), 1);
    const facts = ["b", "b2", "a"].map((layer) => records.layerFact(layer, "sha256:f"));
    assert.deepEqual(
      [...facts, records.fact("sha256:f")],
      [undefined, "b2", "a", "other"],
      "facts go with their layer",
    );
    assert.equal(records.find("sha256:k1"), undefined);
    assert.deepEqual(records.find("sha256:k2")?.layers, ["a"]);
    assert.deepEqual(prunedAt(database, "sha256:k1"), { name: "[1/2] RUN one", atMs: 77 });
    assert.equal(prunedAt(database, "sha256:k3"), undefined);
    const put = database.prepare("INSERT INTO pruned VALUES (?, 'x', 1)");
    for (let at = 0; at < 6000; at++) put.run(`k${at}`);
    pruneResultsOf(database, "c", 78);
    assert.equal(database.prepare("SELECT count(*) AS n FROM pruned").get()?.["n"], 5000);
    assert.ok(prunedAt(database, "sha256:k3"));
  });

  test("a store of an older version is brought up to date, one of a newer version refused", () => {
    const file = join(root, "cache.db");
    const { database } = openDatabase(file);
    database.exec("DROP TABLE items; DROP TABLE counters; PRAGMA user_version = 1");
    new CacheRecords(database).save("sha256:old", { layers: ["a"] }, "RUN", 1);
    database.close();
    const migrated = openDatabase(file);
    assert.deepEqual(new CacheRecords(migrated.database).find("sha256:old")?.layers, ["a"]);
    assert.equal(open().counter("lease"), 0);
    migrated.database.exec("PRAGMA user_version = 99");
    migrated.database.close();
    assert.throws(
      () => openDatabase(file),
      (error) => error instanceof BuildError && error.code === "STORE" && /format 99, .* up to 2/.test(error.message),
    );
  });

  test("records that are no database are put aside, and new ones begun", () => {
    const file = join(root, "cache.db");
    writeFileSync(file, "not a database, but as long as one would be".repeat(400));
    const { database, putAside } = openDatabase(file);
    assert.equal(putAside, `${file}.damaged`);
    assert.equal(new CacheRecords(database).find("sha256:a"), undefined);
  });

  test("a damaged record is a miss, and is told of", () => {
    const { database } = openDatabase(join(root, "cache.db"));
    const faults: string[] = [];
    const records = new CacheRecords(database, (fault) => faults.push(fault));
    records.save("sha256:a", { layers: ["x"] }, "RUN", 1);
    database.exec(`UPDATE results SET layers = '["x'`);
    assert.equal(records.find("sha256:a"), undefined);
    assert.equal(faults.length, 1);
  });
});

/** Another process with a lease, which holds an item and has reserved some bytes; its garbage has been collected. */
async function holder(root: string, item: string, bytes: number): Promise<ChildProcess> {
  const here = (file: string): string => JSON.stringify(new URL(`../../builder/cache/${file}`, import.meta.url).href);
  const program = `
    import { openDatabase } from ${here("database.ts")};
    import { Ledger } from ${here("ledger.ts")};
    const { database } = openDatabase(${JSON.stringify(join(root, "cache.db"))});
    const ledger = new Ledger(database, ${JSON.stringify(join(root, "leases"))}, Date.now);
    ledger.takeLease();
    ledger.hold(${JSON.stringify(item)});
    ledger.tryReserve(${bytes}, 1e9);
    setTimeout(() => {
      gc();
      setTimeout(() => process.stdout.write("held"), 10);
    }, 10);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module-typescript", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("close", () => reject(new Error("it ended")));
  });
  return child;
}
