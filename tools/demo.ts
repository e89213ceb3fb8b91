// `make demo`: an image from nothing but this machine's own programs, another one on top of it, and a look into that.
// Everything happens in a folder under the system's temporary one, which is gone afterwards.

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

import * as v from "valibot";

import { EXPECTED, LOOK_INSIDE, writeContexts } from "./demo/contexts.ts";

const TSBUILD = path.join(import.meta.dirname, "../bin/tsbuild.js");

const Metadata = v.object({ "containerimage.config.digest": v.string(), "containerimage.digest": v.string() });

const folder = mkdtempSync(path.join(os.tmpdir(), "tsbuild-demo-"));
const root = path.join(folder, "root");
process.on("exit", () => removeFolder(folder));
for (const [signal, exitCode] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.on(signal, () => process.exit(exitCode));

const { base, second, madeOf } = await writeContexts(folder);
say(`A root file system of ${madeOf} from this machine:`);
build("demo", base);

say("An image on top of it: two stages, a file copied between them, one deleted, a directory replaced.");
build("demo2", second);

say("It runs:");
const output = tsbuild("run", "--root", root, "demo2", "sh", "-c", LOOK_INSIDE);
process.stdout.write(output.replaceAll(/^/gm, "  ").trimEnd() + "\n");
if (output !== EXPECTED) fail(`expected instead:\n${EXPECTED}`);
say("Both images were built and the second one holds exactly what it should.");

function build(name: string, contextFolder: string): void {
  const dockerfile = readFileSync(path.join(contextFolder, "Dockerfile"), "utf8");
  process.stdout.write(dockerfile.replaceAll(/^/gm, "  ").trimEnd() + "\n");
  const idFile = path.join(folder, `${name}.id`);
  const metadataFile = path.join(folder, `${name}.json`);
  tsbuild("build", "--root", root, "-t", name, "--iidfile", idFile, "--metadata-file", metadataFile, contextFolder);
  const metadata = v.parse(Metadata, JSON.parse(readFileSync(metadataFile, "utf8")));
  const imageId = readFileSync(idFile, "utf8").trim();
  if (imageId !== metadata["containerimage.config.digest"])
    fail(`--iidfile says ${imageId}, --metadata-file otherwise`);
  process.stdout.write(`  ${name}: image id     ${imageId}\n`);
  process.stdout.write(`  ${name}: image digest ${metadata["containerimage.digest"]}\n`);
}

/** Runs tsbuild to its end and returns its standard output; its progress goes to the terminal. */
function tsbuild(...args: string[]): string {
  const shown = args.map((arg) => (arg.includes("\n") ? "'…'" : arg.replace(`${folder}/`, "")));
  process.stdout.write(`$ tsbuild ${shown.join(" ")}\n`);
  const { status, signal, stdout, error } = spawnSync(process.execPath, [TSBUILD, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error !== undefined) throw error;
  if (status !== 0) {
    process.stdout.write(stdout);
    fail(`tsbuild ${args[0]} ended with ${signal ?? `exit code ${status}`}`);
  }
  return stdout;
}

function say(sentence: string): void {
  process.stdout.write(`\n${sentence}\n`);
}

function fail(why: string): never {
  process.stderr.write(`demo: ${why}\n`);
  process.exit(1);
}

/** As rm -rf, also where an overlay left a folder that its owner may not read. */
function removeFolder(target: string): void {
  try {
    rmSync(target, { recursive: true, force: true });
  } catch {
    openFolders(target);
    rmSync(target, { recursive: true, force: true });
  }
}

function openFolders(target: string): void {
  chmodSync(target, 0o700);
  for (const entry of readdirSync(target, { withFileTypes: true })) {
    if (entry.isDirectory()) openFolders(path.join(target, entry.name));
  }
}
