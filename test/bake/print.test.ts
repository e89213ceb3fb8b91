// `bake --print` and `--list` give what buildx gave for the same files (fixtures/bake, recorded with a real one), and
// what buildx refuses is refused.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, suite, test } from "node:test";

import { bake } from "../../src/commands/bake/bake.ts";
import { runCommandIn } from "../support/run-command.ts";
import { splitWords } from "../support/words.ts";

const CASES = path.join(import.meta.dirname, "../../fixtures/bake");
const root = mkdtempSync(path.join(tmpdir(), "tsbuild-test-bake-"));
after(() => rmSync(root, { recursive: true, force: true }));

suite("bake prints what buildx prints", () => {
  const names = readdirSync(CASES, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
  for (const name of names) {
    test(name, async () => {
      const folder = path.join(CASES, name);
      process.chdir(folder);
      const args = splitWords(readFileSync("args", "utf8").trim(), {});
      const environment = Object.fromEntries(
        (existsSync("env") ? readFileSync("env", "utf8") : "")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
      const ran = await runCommandIn(environment, bake, root, ...args);
      if (existsSync("fails")) {
        assert.ok(ran.error !== undefined, `buildx refuses this, but it gave ${ran.stdout}`);
        assert.notEqual(ran.error.code, "INTERNAL");
      } else {
        assert.equal(ran.error?.message, undefined);
        assert.equal(ran.stdout, readFileSync("want", "utf8"));
      }
    });
  }
});
