// What a build reads of the program before it knows that there is nothing to do.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { COMPILE_CACHE } from "../support/compile-cache.ts";

const TSBUILD = join(import.meta.dirname, "../../bin/tsbuild.js");
const run = promisify(execFile);

suite("a build of which everything is known", () => {
  let folder = "";
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-start-"));
    mkdirSync(join(folder, "context"));
    writeFileSync(join(folder, "context/file"), "text");
    writeFileSync(join(folder, "tell.cjs"), TELL);
    writeFileSync(join(folder, "base"), "FROM scratch\nCOPY . /\n");
    writeFileSync(join(folder, "Dockerfile"), "FROM base\nWORKDIR /app\nCOPY file .\nENV A=b\n");
    await build("-f", join(folder, "base"), "-o", `type=oci,tar=false,dest=${join(folder, "layout")}`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("reads one part of the program", async () => {
    const args = ["-f", join(folder, "Dockerfile"), "--build-context", `base=oci-layout://${join(folder, "layout")}`];
    assert.deepEqual(await build(...args, "-t", "x"), ["tsbuild.cjs", "steps.cjs"], "a step that is made");
    assert.deepEqual(await build(...args, "-t", "x"), ["tsbuild.cjs"]);
  });

  /** Builds, and says which files of the program were read. */
  async function build(...args: readonly string[]): Promise<readonly string[]> {
    const told = join(folder, "told");
    const env = { PATH: process.env["PATH"], HOME: folder, TOLD: told, ...COMPILE_CACHE };
    const words = ["--require", join(folder, "tell.cjs"), TSBUILD, "--root", join(folder, "store"), "build", ...args];
    await run(process.execPath, [...words, join(folder, "context")], { env });
    const files: readonly string[] = readFileSync(told, "utf8").split("\n");
    return files
      .filter((file) => file.endsWith(".cjs") && !file.includes("node_modules") && !file.endsWith("/tell.cjs"))
      .map((file) => basename(file));
  }
});

const TELL = `process.on("exit", () =>
  require("node:fs").writeFileSync(process.env.TOLD, Object.keys(require.cache).join("\\n")));`;
