// Runs the test suite: node's own runner over test/**/*.test.ts, or over the files and patterns given. Every skip is
// named at the end with its reason, so that a machine that lacks something does not look like one where all is well;
// with CI=true a skip that test/skips.json does not allow fails the run. The last lines are the runner's own summary.
//
// TESTS says how much: nothing leaves the long files out and plays a sixth of long tables, "long" takes those files as well,
// "whole" is everything (.ci/run as root; an ordinary user runs what is run without it, of tables that show the same for
// both he plays a sixth that root does not, and with CI=true the others whole: test/support/sample.ts).
//
// A run that reports nothing for TEST_SILENCE_S seconds (600) hangs: its processes are named and killed, and it goes on.
//
// TEST_TWICE=true says that the suite is run as root and as a user: what shows the same for both is left to one of them
// (tools/test-shares.ts).
//
// TEST_SUMMARY=file also writes what failed, and at the end the counts, there: tools/test-sum.ts adds several runs up.

import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type EventData, run } from "node:test";
import { spec } from "node:test/reporters";
import path from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";

import { Failures, type TestSummary } from "./test-failures.ts";
import { gather, importing, leftToOther } from "./test-shares.ts";
import { findUnexpectedSkips, parseSkipList, type Skip } from "./test-skips.ts";
import { Watchdog } from "./test-watchdog.ts";

const ROOT = path.join(import.meta.dirname, "..");
/** Two cores are not busy with two files: a test waits for the disk, for a server, for a process to end. */
const FILES_AT_ONCE = 3;
const SLOWEST = 8;
const TEST_TIMEOUT_MS = 5 * 60 * 1000;
const SILENCE_MS = Number(process.env["TEST_SILENCE_S"] ?? 600) * 1000;

type Summary = EventData.TestSummary;

/** Builds and copies that are killed, that share a store, that run out of disk, in pods: what takes long and seldom breaks alone. */
const LONG = /^test\/(?:robustness\/|executor\/pod\.test\.ts)/;
/** Begun first, the slowest ahead: a long file that begins late runs on alone at the end. */
const FIRST = [
  "test/script.test.ts",
  "test/conformance.test.ts",
  "test/commands/run.test.ts",
  "test/invalidation.test.ts",
  "test/commands/executor.test.ts",
  "test/commands/executor-push.test.ts",
  "test/executor/pod.test.ts",
  "test/bundle/bundle.test.ts",
  "test/cache/travel.test.ts",
  "test/transport/registry-interrupt.test.ts",
  "test/transport/registry-upload.test.ts",
  "test/docs/dockerfile-examples.test.ts",
  "test/executor/drivers.test.ts",
  "test/robustness/disk.test.ts",
];
const tests = process.env["TESTS"] ?? "";

const patterns = process.argv.slice(2);
const found = globSync(patterns.length > 0 ? patterns : ["test/**/*.test.ts"], { cwd: ROOT });
const isAll = patterns.length === 0;
const runner = process.getuid?.() === 0 ? "root" : "user";
const leftOut = isAll && tests === "" ? found.filter((file) => LONG.test(file)) : [];
const leftToOtherRun = isAll && process.env["TEST_TWICE"] === "true" ? leftToOther(found, runner) : [];
const chosen = found.filter((file) => !leftOut.includes(file) && !leftToOtherRun.includes(file)).toSorted();
const { alone, groups } = isAll ? gather(chosen, path.join(ROOT, ".cache/groups")) : { alone: chosen, groups: [] };
for (const group of groups) {
  mkdirSync(path.dirname(group.file), { recursive: true });
  writeFileSync(group.file, importing(group, ROOT));
}
const files = [
  ...groups.map(({ file }) => file),
  ...alone.toSorted((a, b) => placeOf(a) - placeOf(b)).map((file) => path.resolve(ROOT, file)),
];
if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(" ")}`);
  process.exit(1);
}

const skips: Skip[] = [];
const failures = new Failures(ROOT);
let total: Summary | undefined;
let hung = 0;

// All of them, and the programs they start, share what they compile, and the base image. Not in dist, which is packed.
process.env["NODE_COMPILE_CACHE"] ??= path.join(ROOT, ".cache/tests");
if (leftOut.length > 0) console.log(`left out: ${leftOut.length} long files, see TESTS in tools/test.ts`);
if (leftToOtherRun.length > 0)
  console.log(`left to CI's other run: ${leftToOtherRun.length} files that show the same for root and a user`);
console.log(
  `${chosen.length} test files in ${files.length} processes on Node ${process.version} (${process.execPath})`,
);
using watchdog = new Watchdog(SILENCE_MS, (killed) => {
  hung += killed.length;
  console.log(`✖ nothing was reported for ${SILENCE_MS / 1000} s; killed, so that the run goes on:`);
  for (const { pid, command } of killed) {
    console.log(`  ${pid}: ${command}`);
    failures.add({
      name: "killed",
      place: `process ${pid}`,
      message: `nothing was reported, and it still ran: ${command}`,
    });
  }
});
const events = run({ files, concurrency: FILES_AT_ONCE, timeout: TEST_TIMEOUT_MS, cwd: ROOT });
events.on("test:pass", (data) => {
  if (data.skip !== undefined && data.skip !== false) {
    skips.push({
      file: data.file === undefined ? "" : path.relative(ROOT, data.file),
      name: data.name,
      reason: typeof data.skip === "string" ? data.skip : "",
    });
  }
});
events.on("test:stderr", (data) => failures.wrote(data));
events.on("test:fail", (data) => {
  failures.failed(data);
  writeTestSummary({ failures: failures.list });
});
const durations = new Map<string, number>();
events.on("test:summary", (data) => {
  if (data.file === undefined) total = data;
  else durations.set(path.relative(ROOT, data.file), data.duration_ms);
});

await pipeline(events, new spec(), writeToTerminal);

const unexpected = reportSkips();
if (total === undefined) throw new Error("node's test runner ended without a summary");
const { counts } = total;
const nothingRan = counts.tests - counts.skipped === 0;
if (nothingRan) console.log("✖ no test ran");
writeTestSummary({ failures: failures.list, counts: countsOf(total) });
printSlowest();
printSummary(total);
process.exitCode = total.success && unexpected === 0 && hung === 0 && !nothingRan ? 0 : 1;

/** Where a file stands among those that begin first; behind them all others. */
function placeOf(file: string): number {
  const place = FIRST.indexOf(file);
  return place === -1 ? FIRST.length : place;
}

/** Standard output stays open: the summary follows. */
async function writeToTerminal(text: AsyncIterable<string | Buffer>): Promise<void> {
  for await (const piece of text) {
    watchdog.heard();
    process.stdout.write(piece);
  }
}

/** Prints every skip; returns how many the list does not allow, when it counts. */
function reportSkips(): number {
  if (skips.length === 0) return 0;
  console.log(`\n⚠ ${skips.length} SKIPPED, so not shown to work here:`);
  for (const skip of skips) {
    console.log(`  ${skip.file}: ${skip.name}\n      ${skip.reason || "no reason given"}`);
  }
  const listFile = path.join(ROOT, "test/skips.json");
  const list = parseSkipList(readFileSync(listFile, "utf8"));
  const unexpected = findUnexpectedSkips(skips, list, runner);
  if (unexpected.length === 0 || process.env["CI"] !== "true") return 0;
  console.log("\n✖ test/skips.json does not allow these skips in CI:");
  for (const { file, name, reason } of unexpected) {
    console.log(`  ${file}: ${name}: ${reason}`);
    failures.add({ name, place: file, message: `skipped, which test/skips.json does not allow here: ${reason}` });
  }
  return unexpected.length;
}

/** What tools/test-sum.ts reads; without counts until all is done, so that a run that is ended early leaves what failed in it. */
function writeTestSummary(summary: TestSummary): void {
  const file = process.env["TEST_SUMMARY"];
  if (file !== undefined && file !== "") writeFileSync(file, `${JSON.stringify(summary)}\n`);
}

function countsOf(summary: Summary): TestSummary["counts"] {
  const { passed, skipped, cancelled } = summary.counts;
  return { passed, failed: countFailed(summary) + cancelled + unexpected + hung, skipped };
}

/** Where the time of a long run goes. */
function printSlowest(): void {
  if (durations.size <= SLOWEST) return;
  console.log("\nThe slowest files:");
  const slowest = [...durations].toSorted(([, a], [, b]) => b - a).slice(0, SLOWEST);
  for (const [file, ms] of slowest) console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${file}`);
}

/** What node's TAP reporter ends with. */
function printSummary(summary: Summary): void {
  const { tests, suites, passed, cancelled, skipped, todo } = summary.counts;
  const failed = countFailed(summary);
  const lines = { tests, suites, pass: passed, fail: failed, cancelled, skipped, todo };
  console.log();
  for (const [name, count] of Object.entries(lines)) console.log(`# ${name} ${count}`);
  console.log(`# duration_ms ${summary.duration_ms}`);
}

function countFailed({ counts }: Summary): number {
  return counts.tests - counts.passed - counts.cancelled - counts.skipped - counts.todo;
}
