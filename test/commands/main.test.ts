import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { VERSION } from "../../src/version.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-test-"));
});
after(() => rm(folder, { recursive: true }));

function tsbuild(...args: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", cwd: folder, env: { ...process.env, TSBUILD_ROOT: join(folder, "root") }, input: "" });
}

test("the version is package.json's", async () => {
  const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  assert.equal(VERSION, version);
  assert.deepEqual(tsbuild("--version"), { ...tsbuild("-v"), stdout: `tsbuild ${version}\n`, stderr: "", status: 0 });
});

test("help comes without a command, with one, before and after it", () => {
  assert.match(tsbuild().stdout, /^Usage:  tsbuild \[build\]/);
  assert.match(tsbuild("help").stdout, /Commands:/);
  for (const words of [["build", "--help"], ["--help", "build"], ["build", ".", "-h"]]) assert.match(tsbuild(...words).stdout, /--build-arg K/);
  assert.match(tsbuild("run", "--help").stdout, /--entrypoint/);
});

const usage: readonly [readonly string[], RegExp][] = [
  [["--bogus"], /^ERROR: unknown flag: --bogus\n/],
  [["-t", "x", "--cache-to", "y", "."], /^ERROR: --cache-to is not supported yet\n/],
  [["build"], /^ERROR: "tsbuild build" requires exactly 1 argument/],
  [["a", "b"], /requires exactly 1 argument .*not 2/],
  [["--progress", "fancy", "."], /invalid progress mode "fancy"/],
  [["-q", "--progress=plain", "."], /progress=plain and quiet cannot be used together/],
  [["--iidfile", "x", "-o", "out", "."], /--iidfile needs an output that is an image/],
  [["executor"], /"executor" is not supported yet/],
  [["run"], /requires at least 1 argument/],
  [["images", "x"], /requires exactly 0 arguments/],
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
  const lines = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.at(-1).error.code, "CONTEXT");
});

test("a failure also stands in the metadata file", async () => {
  tsbuild("--metadata-file", "m.json", "no-such-folder");
  const written = JSON.parse(await readFile(join(folder, "m.json"), "utf8"));
  assert.equal(written["tsbuild.error"].code, "CONTEXT");
});

test("a signal while the context is being read ends the build with its exit code", async () => {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    // Standard input stays open: the build waits for its context.
    const child = spawn(process.execPath, [MAIN, "-"], { stdio: ["pipe", "ignore", "pipe"], cwd: folder, env: { ...process.env, TSBUILD_ROOT: join(folder, "root") } });
    child.stdin.write("FROM scratch\n");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    child.kill(signal);
    const hard = setTimeout(() => child.kill(signal), 3000);
    const status = await new Promise((resolve) => child.on("close", resolve));
    clearTimeout(hard);
    assert.equal(status, code);
  }
});
