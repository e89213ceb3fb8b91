// Every example of docs/dockerfile.md is built, and what stands below it is compared: the image's files (a mode where
// one is given), fields of its config. An ordinary user builds a sixth of them, root in CI the others
// (test/support/sample.ts). And the examples leave out no instruction and no flag.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { pack } from "tar-stream";

import { isPlayedInTurn } from "../support/sample.ts";

const TSBUILD = new URL("../../bin/tsbuild.js", import.meta.url).pathname;
const TEXT = readFileSync(new URL("../../docs/dockerfile.md", import.meta.url), "utf8");
const BUSYBOX = "/usr/bin/busybox";

interface Example {
  readonly heading: string;
  /** "" for an ordinary one, "run" for one that needs a sandbox, "check" for one that is only checked. */
  readonly kind: string;
  readonly dockerfile: string;
  readonly files?: string;
  readonly json?: string;
}

const EXAMPLES = readExamples(TEXT);
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-test-"));
  await makeContext(join(folder, "context"));
});
after(() => rm(folder, { recursive: true }));

const missing = sandboxMissing();
for (const [at, example] of EXAMPLES.entries()) {
  if (!isPlayedInTurn(at)) continue;
  test(`example ${at + 1}: ${example.heading}`, { skip: example.kind === "run" ? missing : false }, async () => {
    const own = join(folder, `${at}`);
    await mkdir(own);
    await writeFile(join(own, "Dockerfile"), example.dockerfile);
    if (example.kind === "check") {
      assert.equal(tsbuild(own, "--check").stdout, "Check complete, no warnings found.\n");
      return;
    }
    const result = tsbuild(own, "-o", `type=local,dest=${own}/files`, "-o", `type=oci,tar=false,dest=${own}/layout`);
    assert.equal(result.status, 0, result.stderr);
    if (example.files !== undefined) compareFiles(join(own, "files"), example.files);
    if (example.json !== undefined) assertHolds(configOf(join(own, "layout")), JSON.parse(example.json));
  });
}

test("the examples hold every instruction and every flag", () => {
  const all = EXAMPLES.map(({ dockerfile }) => dockerfile.replaceAll(/\\\n/g, "")).join("\n");
  const instructions =
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR";
  for (const name of instructions.split(" ")) assert.match(all, new RegExp(`^${name} `, "m"));
  const flags: Readonly<Record<string, string>> = {
    FROM: "platform",
    ADD: "checksum chown chmod link keep-git-dir unpack exclude",
    COPY: "from chown chmod link parents exclude",
    RUN: "mount network security",
    HEALTHCHECK: "interval timeout start-period start-interval retries",
  };
  for (const [instruction, names] of Object.entries(flags)) {
    for (const name of names.split(" ")) assert.match(all, new RegExp(`^${instruction} .*--${name}\\b`, "m"));
  }
  for (const type of ["bind", "cache", "tmpfs", "secret", "ssh"])
    assert.match(all, new RegExp(`--mount=type=${type}\\b`));
});

/** Fenced blocks: `dockerfile`, and what follows it until the next one. */
function readExamples(text: string): Example[] {
  const found: { -readonly [Field in keyof Example]: Example[Field] }[] = [];
  let heading = "";
  for (const [, info, body = "", title] of text.matchAll(/^```(.*)\n([\s\S]*?)^```$|^#+ (.+)$/gm)) {
    if (title !== undefined) heading = title;
    const [language, kind = ""] = (info ?? "").split(" ");
    const last = found.at(-1);
    if (language === "dockerfile") found.push({ heading, kind, dockerfile: body });
    else if (language === "files" && last !== undefined) last.files = body;
    else if (language === "json" && last !== undefined) last.json = body;
  }
  return found;
}

async function makeContext(context: string): Promise<void> {
  await mkdir(join(context, "app/lib"), { recursive: true });
  const files = ["app/main.js", "app/lib/util.js", "app/debug.log", "config.json", "secret.txt"];
  for (const file of files) await writeFile(join(context, file), `${file}\n`, { mode: 0o644 });
  await writeFile(join(context, ".dockerignore"), "secret.txt\n");
  const tar = pack();
  tar.entry({ name: "data/one" }, "1");
  tar.entry({ name: "data/two" }, "2");
  tar.finalize();
  await writeFile(join(context, "data.tar"), await buffer(tar));
  if (!existsSync(BUSYBOX)) return;
  await copyFile(BUSYBOX, join(context, "sh"));
  await chmod(join(context, "sh"), 0o755);
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function tsbuild(own: string, ...args: string[]): Outcome {
  const words = ["build", "--root", join(folder, "root"), "--progress=plain", "-f", join(own, "Dockerfile"), ...args];
  return spawnSync(process.execPath, [TSBUILD, ...words, join(folder, "context")], { encoding: "utf8", input: "" });
}

function sandboxMissing(): string | false {
  if (!existsSync(BUSYBOX)) return `no ${BUSYBOX}`;
  const env = { ...process.env, TSBUILD_ROOT: tmpdir() };
  return spawnSync(process.execPath, [TSBUILD, "doctor"], { env }).status === 0 ? false : "no sandbox for RUN here";
}

/** A line is a path, with its mode behind it where that is to be compared. */
function compareFiles(root: string, expected: string): void {
  const wanted = expected.trimEnd().split("\n");
  const withMode = wanted.some((line) => line.includes(" "));
  const found = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const lines = found.map((path) => {
    const mode = (statSync(path).mode & 0o7777).toString(8);
    return path.slice(root.length) + (withMode ? ` ${mode}` : "");
  });
  assert.deepEqual(lines.toSorted(), wanted);
}

function configOf(layout: string): object {
  const read = (path: string): ReturnType<typeof JSON.parse> => JSON.parse(readFileSync(join(layout, path), "utf8"));
  const blob = (digest: string): ReturnType<typeof JSON.parse> => read(`blobs/${digest.replace(":", "/")}`);
  const manifest = blob(read("index.json").manifests[0].digest);
  return blob(manifest.config.digest).config;
}

/** Every field that is wanted is there as it is wanted. */
function assertHolds(config: object, wanted: Readonly<Record<string, unknown>>): void {
  const fields = Object.entries(config).filter(([name]) => name in wanted);
  assert.deepEqual(Object.fromEntries(fields), wanted);
}
