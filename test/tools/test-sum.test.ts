// Whoever reads only the end of CI's log sees what failed there.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { formatFailures } from "../../tools/test-failures.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-sum-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const FAILS = `
  import assert from "node:assert/strict";
  import { suite, test } from "node:test";
  suite("one", () => {
    test("passes", () => {});
    test("compares", () => assert.deepEqual({ is: "red" }, { is: "blue" }));
    test("throws", async () => { throw new Error("no room", { cause: new Error("disk full") }); });
  });`;
const DIES = `console.error("cannot find my peer"); process.exit(3);`;

/** Runs a tool of tools/ with Node. */
function run(tool: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  const file = join(import.meta.dirname, "../../tools", tool);
  return spawnSync(process.execPath, [file, ...args], { env: { ...own, ...env }, encoding: "utf8" });
}

test("the sum of runs names each test that failed, where it stands and why, once", () => {
  const files = { fails: FAILS, dies: DIES };
  const paths = Object.entries(files).map(([name, text]) => {
    const file = join(folder, `${name}.test.mjs`);
    writeFileSync(file, text);
    return file;
  });
  const summary = join(folder, "root.json");
  assert.equal(run("test.ts", paths, { TEST_SUMMARY: summary }).status, 1);

  const { stdout, status } = run("test-sum.ts", [`root=${summary}`]);
  assert.equal(status, 0);
  assert.match(stdout, /✖ \S+\/fails\.test\.mjs:6 {2}compares \(root\)\n/);
  assert.match(stdout, /\+ {3}is: 'red'\n *- {3}is: 'blue'\n/);
  assert.match(stdout, /fails\.test\.mjs:6:\d+/);
  assert.match(
    stdout,
    /fails\.test\.mjs:7 {2}throws \(root\)\n {4}Error: no room\n(.*\n)* +\[cause\]: Error: disk full\n/,
  );
  assert.match(
    stdout,
    /dies\.test\.mjs:1 {2}the file itself \(root\)\n {4}test failed: exit code 3\n {4}cannot find my peer\n/,
  );
  assert.doesNotMatch(stdout, /node:|passes|subtest/);
  assert.match(stdout, /\n1 passed, 3 failed, 0 skipped\n$/);
});

test("a run without a summary, or one without its end, counts as failed", () => {
  const early = join(folder, "early.json");
  writeFileSync(early, JSON.stringify({ failures: [{ name: "a", place: "test/a.test.ts:1", message: "no" }] }));
  const { stdout, status } = run("test-sum.ts", [`root=${early}`, `user=${join(folder, "none.json")}`]);
  assert.equal(status, 1);
  assert.match(stdout, /✖ root: the run did not come to its end\n✖ user: the run did not come to its end\n/);
  assert.match(stdout, /✖ test\/a\.test\.ts:1 {2}a \(root\)\n {4}no\n0 passed, 3 failed, 0 skipped\n$/);
});

test("however much failed, it fits on a page", () => {
  const message = Array.from({ length: 50 }, (_, line) => `line ${line}`).join("\n");
  for (const count of [1, 2, 10, 40, 500]) {
    const text = formatFailures(
      Array.from({ length: count }, () => ({ name: "a", place: "test/a.test.ts:1", message })),
    );
    assert.ok(text.split("\n").length < 80, `${count} failures take ${text.split("\n").length} lines`);
  }
});
