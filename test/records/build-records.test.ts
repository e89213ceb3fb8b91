// The records of builds on disk: what is found, what is forgotten, and what is held.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { enterableSteps, findStep, RECORD_FORMAT } from "../../builder/records/build-record.ts";
import { BuildRecords, newBuildId } from "../../builder/records/build-records.ts";
import { record as recordOf } from "./sample-record.ts";

const DAY_MS = 24 * 3600 * 1000;

suite("build records", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-records-"));
  after(() => rmSync(folder, { recursive: true }));

  function open(): { records: BuildRecords; directory: string; save: (id: string, layer?: string) => string[] } {
    const base = mkdtempSync(join(folder, "store-"));
    const [directory, work] = [join(base, "builds"), join(base, "work")];
    mkdirSync(work);
    const records = new BuildRecords(directory, work);
    let seconds = Math.floor(Date.now() / 1000) - 10_000;
    const save = (id: string, layer?: string): string[] => {
      const dropped: string[] = [];
      seconds += 10;
      const kept = layer === undefined ? undefined : { rootfs: ["base", layer], inputs: {} };
      records.save(recordOf(id, seconds * 1000), { kept }, (name) => void dropped.push(name));
      for (const name of readdirSync(directory).filter((file) => file.startsWith(`${id}.`)))
        utimesSync(join(directory, name), seconds, seconds);
      assert.deepEqual(readdirSync(work), []);
      return dropped;
    };
    return { records, directory, save };
  }

  test("are found by id, by an unambiguous beginning, and listed with the newest first", () => {
    const { records, save } = open();
    assert.deepEqual(records.list(), []);
    for (const id of ["abcd", "abzz", "q"]) save(id);
    assert.deepEqual(records.list().map(({ id }) => id), ["q", "abzz", "abcd"]); // prettier-ignore
    assert.equal(records.find("abc").id, "abcd");
    assert.throws(() => records.find("ab"), /several builds begin with "ab"/);
    for (const text of ["x", "", "../q"]) assert.throws(() => records.find(text), /there is no build/);
  });

  test("are for their owner alone", () => {
    const { directory, save } = open();
    save("secretive", "layer");
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  });

  test("of failed steps the last three are kept, of builds the last fifty", () => {
    const { records, save } = open();
    assert.deepEqual(
      ["a1", "a2", "a3"].flatMap((id) => save(id, `layer-${id}`)),
      [],
    );
    assert.deepEqual(save("a4", "layer-a4"), ["layer-a1"]);
    assert.equal(records.isKept("a1"), false);
    assert.equal(records.holdKept("a1"), undefined);
    for (let number = 0; number < 60; number++) save(`b${number}`);
    const ids = records.list().map(({ id }) => id);
    // The kept ones stay although fifty younger ones have come.
    assert.deepEqual(ids.slice(-3), ["a4", "a3", "a2"]);
    assert.equal(ids.length, 53);
  });

  test("the last one is the newest, also when the clock has gone back since others", () => {
    const { records, directory, save } = open();
    for (let number = 0; number < 50; number++) save(`b${number}`, `layer-${number}`);
    const ahead = Date.now() / 1000 + 1e6;
    for (const name of readdirSync(directory)) utimesSync(join(directory, name), ahead, ahead);
    records.save(recordOf("now", 5), { kept: { rootfs: ["base", "top"], inputs: {} } }, () => undefined);
    assert.equal(records.find("^0").id, "now");
    assert.ok(records.isKept("now"), "what its step left is the last to go, not the first");
    records.save(recordOf("later", 4), {}, () => undefined);
    assert.deepEqual(records.list().slice(0, 2).map(({ id }) => id), ["later", "now"]); // prettier-ignore
  });

  test("a build is removed with its log and what its failed step left, unless somebody looks at that", () => {
    const { records, directory, save } = open();
    save("a", "layer-a");
    const log = join(directory, "../work/log");
    writeFileSync(log, "");
    records.save(recordOf("b", Date.now()), { log }, () => undefined);
    assert.deepEqual(readdirSync(directory).toSorted(), ["a.json", "a.kept", "b.json", "b.log"]);
    const dropped: string[] = [];
    const held = records.holdKept("a");
    assert.equal(
      records.remove("a", (id) => void dropped.push(id)),
      false,
    );
    held?.[Symbol.dispose]();
    assert.equal(
      records.remove("a", (id) => void dropped.push(id)),
      true,
    );
    assert.deepEqual(dropped, ["layer-a"]);
    assert.equal(records.find("^0").id, "b");
    assert.throws(() => records.find("^1"), /there is no build/);
    assert.equal(
      records.remove("b", () => undefined),
      true,
    );
    assert.deepEqual(readdirSync(directory), []);
  });

  test("what a failed step left goes after a week", () => {
    const { records, directory, save } = open();
    save("old", "layer-old");
    const weekAgo = (Date.now() - 8 * DAY_MS) / 1000;
    utimesSync(join(directory, "old.kept"), weekAgo, weekAgo);
    assert.deepEqual(save("new"), ["layer-old"]);
    assert.equal(records.find("old").id, "old");
    assert.equal(records.isKept("old"), false);
  });

  test("what somebody looks at is not dropped before they are done", () => {
    const { records, save } = open();
    for (const id of ["a", "b", "c"]) save(id, `layer-${id}`);
    const held = records.holdKept("a");
    assert.deepEqual(held?.rootfs, ["base", "layer-a"]);
    assert.deepEqual(save("d", "layer-d"), []);
    assert.equal(records.isKept("a"), true);
    held?.[Symbol.dispose]();
    assert.deepEqual(save("e", "layer-e"), ["layer-b", "layer-a"]);
  });

  test("files of another version, or that are no records, are as if they were not there", () => {
    const { records, directory, save } = open();
    save("good");
    writeFileSync(
      join(directory, "future.json"),
      JSON.stringify({ ...recordOf("future", 1), format: RECORD_FORMAT + 1 }),
    );
    writeFileSync(join(directory, "broken.json"), "{");
    writeFileSync(join(directory, "other.json"), "null");
    writeFileSync(join(directory, "cut.json"), JSON.stringify({ format: RECORD_FORMAT, id: "cut", timeline: {} }));
    writeFileSync(join(directory, "copy.json"), JSON.stringify(recordOf("good", 1)));
    mkdirSync(join(directory, "folder.json"));
    writeFileSync(join(directory, "good.kept"), "[");
    utimesSync(join(directory, "good.kept"), 1, 1);
    assert.equal(records.holdKept("good"), undefined);
    assert.deepEqual(["a", "b", "c"].flatMap((id) => save(id, `layer-${id}`)), []); // prettier-ignore
    assert.equal(records.isKept("good"), false);
    for (const id of ["a", "b", "c"]) records.remove(id, () => undefined);
    assert.deepEqual(records.list().map(({ id }) => id), ["good"]); // prettier-ignore
    assert.throws(() => records.find("broken"), /there is no build/);
  });

  test("a layer that cannot be removed here is left for a later build", () => {
    const { records, save } = open();
    for (const id of ["a", "b", "c"]) save(id, id);
    const denied = Object.assign(new Error("denied"), { code: "EACCES" });
    records.save(recordOf("d", Date.now()), { kept: { rootfs: ["d"], inputs: {} } }, () => {
      throw denied;
    });
    assert.equal(records.isKept("a"), true);
  });

  test("ids are ten letters and digits, each another one", () => {
    const ids = new Set(Array.from({ length: 1000 }, () => newBuildId()));
    assert.equal(ids.size, 1000);
    for (const id of ids) assert.match(id, /^[a-z2-9]{10}$/);
  });

  test("a step is named by number, by what its brackets say, or by its vertex", () => {
    const record = recordOf("x", 1);
    assert.deepEqual(enterableSteps(record), [0, 2, 3]);
    assert.equal(findStep(record, "1"), 0);
    assert.equal(findStep(record, "3"), 3);
    assert.equal(findStep(record, "build 2/2"), 2);
    assert.equal(findStep(record, `sha256:${"3".repeat(64)}`), 3);
    assert.equal(findStep(record, "333333"), 3);
    for (const text of ["0", "4", "2/2", "", "build", "sha256:9999"])
      assert.throws(() => findStep(record, text), (error) => error instanceof BuildError && /has no step/.test(error.message)); // prettier-ignore
    const twice = { ...record, steps: record.steps.map((step) => ({ ...step, name: "[same] RUN x" })) };
    assert.throws(() => findStep(twice, "same"), /has 3 steps "same"/);
  });
});
