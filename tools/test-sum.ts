// Adds up runs of the tests: what failed in any of them, shortly, and then one line of counts. .ci/run ends with this, since
// a record of CI keeps the end of the log only.
//
//   node tools/test-sum.ts NAME=FILE…   the TEST_SUMMARY of each run (tools/test.ts); one that is missing or unfinished counts as failed

import { readFileSync } from "node:fs";
import process from "node:process";

import * as v from "valibot";

import { type Failure, formatFailures, TestSummary } from "./test-failures.ts";

const sum = { passed: 0, failed: 0, skipped: 0 };
const failures: Failure[] = [];
for (const argument of process.argv.slice(2)) {
  const [run = "", file = ""] = argument.split("=");
  const summary = readSummary(file);
  failures.push(...(summary?.failures ?? []).map((failure) => ({ ...failure, name: `${failure.name} (${run})` })));
  if (summary?.counts === undefined) {
    console.log(`✖ ${run}: the run did not come to its end`);
    sum.failed += 1 + (summary?.failures.length ?? 0);
    process.exitCode = 1;
  } else {
    for (const kind of ["passed", "failed", "skipped"] as const) sum[kind] += summary.counts[kind];
  }
}
if (failures.length > 0) process.stdout.write(formatFailures(failures));
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);

/** Undefined when nothing that reads like one is there. */
function readSummary(file: string): TestSummary | undefined {
  try {
    return v.parse(TestSummary, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
