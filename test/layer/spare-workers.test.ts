// Workers that no pool has: the next pool takes them over, and there are never more than one pool needs.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { giveBackWorker, takeWorker } from "../../builder/layer/jobs/spare-workers.ts";

test("a worker that was given back is taken again, one too many ends", async () => {
  const workers = Array.from({ length: 5 }, takeWorker);
  assert.equal(new Set(workers).size, 5);
  const ends = workers.map((worker) => once(worker, "exit"));
  for (const worker of workers) giveBackWorker(worker);
  await ends[4];
  const again = Array.from({ length: 5 }, takeWorker);
  assert.deepEqual(again.slice(0, 4), workers.slice(0, 4));
  assert.ok(!workers.includes(again[4] ?? assert.fail()));
  await Promise.all(again.map((worker) => worker.terminate()));
});
