// A test run ends, whatever a test leaves behind.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const LEAVES_A_PROCESS = `
  import { spawn } from "node:child_process";
  import { test } from "node:test";
  test("leaves a process", () => {
    spawn("sleep", ["1234"], { stdio: "inherit" });
    throw new Error("before it ended it");
  });`;

test("a run goes on after a test that left a process behind, names it, and fails", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-watchdog-"));
  try {
    const file = join(folder, "left.test.mjs");
    writeFileSync(file, LEAVES_A_PROCESS);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const runner = join(import.meta.dirname, "../../tools/test.ts");
    const { status, stdout } = spawnSync(process.execPath, [runner, file], {
      env: { ...env, TEST_SILENCE_S: "2" },
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.equal(status, 1, stdout);
    assert.match(
      stdout,
      /nothing was reported for 2 s; killed, so that the run goes on:\n(.*\n)* {2}\d+: sleep 1234 \n/,
    );
    assert.match(stdout, /\n# fail 1\n/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
