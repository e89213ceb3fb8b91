import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { VERSION } from "../../src/version.ts";

const TSBUILD = new URL("../../bin/tsbuild.js", import.meta.url).pathname;
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-test-"));
});
after(() => rm(folder, { recursive: true }));

function tsbuild(...args: string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  return spawnSync(process.execPath, [TSBUILD, ...args], {
    encoding: "utf8",
    cwd: folder,
    env: { ...process.env, TSBUILD_ROOT: join(folder, "root") },
    input: "",
  });
}

test("the version is package.json's", async () => {
  const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  assert.equal(VERSION, version);
  const { status, stdout, stderr } = tsbuild("--version");
  assert.deepEqual([status, stdout, stderr], [0, `tsbuild ${version}\n`, ""]);
});

test("help comes without a command, with one, before and after it", () => {
  assert.match(tsbuild().stdout, /^Usage:  tsbuild \[build\]/);
  assert.match(tsbuild("help").stdout, /Commands:/);
  for (const words of [
    ["build", "--help"],
    ["--help", "build"],
    ["build", ".", "-h"],
  ])
    assert.match(tsbuild(...words).stdout, /--build-arg K/);
  assert.match(tsbuild("run", "--help").stdout, /--entrypoint/);
});

const usage: readonly [readonly string[], RegExp][] = [
  [["--bogus"], /^ERROR: unknown flag: --bogus\n/],
  [["-t", "x", "--policy", "y", "."], /^ERROR: --policy is not supported yet\n/],
  [["build"], /^ERROR: "tsbuild build" requires exactly 1 argument/],
  [["a", "b"], /requires exactly 1 argument .*not 2/],
  [["--progress", "fancy", "."], /invalid progress mode "fancy"/],
  [["-q", "--progress=plain", "."], /progress=plain and quiet cannot be used together/],
  [["--iidfile", "x", "-o", "out", "."], /--iidfile needs an output that is an image/],
  [["buildctl"], /"buildctl" is not supported yet/],
  [["run"], /requires at least 1 argument/],
  [["inspect"], /"tsbuild inspect" requires at least 1 argument/],
  [["ls", "a", "b"], /"tsbuild ls" requires exactly 1 argument .*not 2/],
  [["diff", "a"], /"tsbuild diff" requires exactly 2 arguments/],
  [["cat", "a"], /"a" names no file/],
  [["images", "x", "y"], /requires exactly 1 argument/],
];
for (const [words, pattern] of usage) {
  test(`"${words.join(" ")}" is a usage error, exit code 125`, () => {
    const { status, stdout, stderr } = tsbuild(...words);
    assert.equal(status, 125);
    assert.equal(stdout, "");
    assert.match(stderr, pattern);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });
}

test("a word that is no command is a context", () => {
  const { status, stderr } = tsbuild("no-such-folder");
  assert.equal(status, 66);
  assert.match(stderr, /path "no-such-folder" not found/);
});

test("-D shows the stack", () => {
  assert.match(tsbuild("-D", "no-such-folder").stderr, /\[CONTEXT\] BuildError[\s\S]*\n {4}at /);
  assert.match(tsbuild("no-such-folder", "-D").stderr, /\n {4}at /);
});

test("with rawjson every line of standard error is JSON, also the error", () => {
  const { stderr } = tsbuild("--progress=rawjson", "no-such-folder");
  const lines = stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.at(-1).error.code, "CONTEXT");
});

test("a failure also stands in the metadata file", async () => {
  tsbuild("--metadata-file", "m.json", "no-such-folder");
  const written = JSON.parse(await readFile(join(folder, "m.json"), "utf8"));
  assert.equal(written["tsbuild.error"].code, "CONTEXT");
});

// These need a sandbox and a static busybox; they are skipped by name where either is missing.
const BUSYBOX = "/usr/bin/busybox";
const missing = !existsSync(BUSYBOX) ? `no ${BUSYBOX}` : tsbuildDoctor() === 0 ? false : "no sandbox for RUN here";

function tsbuildDoctor(): number | null {
  return spawnSync(process.execPath, [TSBUILD, "doctor"], { env: { ...process.env, TSBUILD_ROOT: tmpdir() } }).status;
}

async function contextWith(run: string): Promise<string> {
  const context = await mkdtemp(join(folder, "context-"));
  await copyFile(BUSYBOX, join(context, "busybox"));
  await writeFile(join(context, "Dockerfile"), `FROM scratch\nCOPY busybox /bin/sh\nRUN ${run}\n`);
  return context;
}

test(
  "a failing RUN's exit code is the program's, and its output stands below the progress",
  { skip: missing },
  async () => {
    const { status, stdout, stderr } = tsbuild("--progress=plain", await contextWith("echo told you; exit 42"));
    assert.equal(status, 42, stderr);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /#\d+ ERROR: .*exit code: 42\n------\n > .*RUN echo.*:\n\d\.\d{3} told you\n------\nERROR: Dockerfile:3: /,
    );
  },
);

test("a signal ends the build in order, with its exit code", { skip: missing }, async () => {
  const context = await contextWith("echo ready; sleep 60");
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const child = spawn(process.execPath, [TSBUILD, "--progress=plain", context], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, TSBUILD_ROOT: join(folder, "root") },
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    let text = "";
    let isTold = false; // once: the second signal ends the program at once
    for await (const chunk of child.stderr) {
      text += String(chunk);
      if (isTold || !/^#\d+ [\d.]+ ready$/m.test(text)) continue;
      isTold = true;
      child.kill(signal);
    }
    assert.equal(await ended, code);
    assert.match(text, new RegExp(`ERROR: .*(stopped by ${signal}|cancelled)`));
  }
});

test("who reads slowly reads all that is said", async () => {
  const context = await mkdtemp(join(folder, "context-"));
  const warnings = Array.from({ length: 5000 }, (_, at) => `ENV PASSWORD_${at}=x\n`);
  await writeFile(join(context, "Dockerfile"), `FROM scratch\n${warnings.join("")}`);
  const child = spawn(process.execPath, [TSBUILD, "--progress=plain", "-o", "type=cacheonly", context], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TSBUILD_ROOT: join(folder, "root") },
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  let text = "";
  for await (const chunk of child.stderr) {
    text += String(chunk);
    await setTimeout(20);
  }
  assert.equal(await ended, 0);
  assert.match(text, /\n - SecretsUsedInArgOrEnv: .*"PASSWORD_4999"\) \(Dockerfile:5001\)\n$/);
});
