// What is remembered of steps: the nearest ones are found, and a file that is no database is none.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { KnownStep } from "../../builder/cache/step-records.ts";
import { StepRecords } from "../../builder/cache/step-records.ts";
import { digestOf } from "../../builder/core/digest.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-steps-"));
after(() => rmSync(folder, { recursive: true }));

const step = (name: string, createdMs: number, more: Partial<KnownStep> = {}): KnownStep => ({
  key: digestOf(name),
  definition: "d",
  site: "s",
  createdMs,
  isDone: true,
  parts: "{}",
  ...more,
});

test("steps of the same definition or place that went well before a time are found, the newest first", () => {
  const file = join(folder, "a.db");
  using records = new StepRecords(file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const failed = step("failed", 4, { isDone: false });
  records.save([
    step("one", 1),
    step("two", 2),
    step("later", 9),
    step("elsewhere", 3, { definition: "x", site: "y" }),
    failed,
  ]);
  const keys = (found: readonly KnownStep[]): string[] => [...new Set(found.map(({ key }) => key))];
  assert.deepEqual(keys(records.like({ definition: "d", site: "none" }, 9)), [digestOf("two"), digestOf("one")]);
  assert.deepEqual(keys(records.like({ definition: "none", site: "s" }, 2)), [digestOf("one")]);
  assert.deepEqual([records.after(5), records.after(20)], [10, 20], "later than all, whatever the clock says");
  // One that fails later is still one that went well; when it was first made stays.
  records.save([step("one", 50, { isDone: false }), { ...failed, isDone: true, createdMs: 60 }]);
  assert.deepEqual(records.find(digestOf("one")), step("one", 1));
  assert.deepEqual(records.find(digestOf("failed")), { ...failed, isDone: true });
});

test("a file that is no database, or of another version, is made anew", () => {
  const file = join(folder, "b.db");
  writeFileSync(file, "no database at all, but long enough to be taken for one".repeat(100));
  using records = new StepRecords(file);
  records.save([step("one", 1)]);
  assert.ok(records.find(digestOf("one")));
});

test("the newest five thousand are kept", () => {
  using records = new StepRecords(join(folder, "c.db"));
  records.save(Array.from({ length: 5010 }, (_, at) => step(String(at), at)));
  assert.equal(records.find(digestOf("0")), undefined);
  assert.ok(records.find(digestOf("5009")));
  assert.ok(records.find(digestOf("10")));
});
