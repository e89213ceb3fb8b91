// A case's files where a builder can work on them: a copy with fixed modes and times, so that it does not matter how the
// repository was checked out. What git does not keep (modes, links, empty folders, odd names) its setup.sh makes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { crc32 } from "node:zlib";

import { type Case, FIXTURES, has } from "./case.ts";

/** Lays out context and other folders; gives the context's and the Dockerfile's path. */
export function layOut(it: Case, folder: string, www: string | undefined): { context: string; dockerfile: string } {
  const time = it.compare.keep_mtimes === true ? undefined : timeOf(it);
  for (const name of it.dirs) copyTree(path.join(it.folder, name), path.join(folder, name));
  const context = path.join(folder, "context");
  copyTree(path.join(it.folder, "context"), context);
  if (has(it, "setup.sh")) runSetup(path.join(it.folder, "setup.sh"), context, { CASE: folder, WWW: www ?? "" });
  if (time !== undefined)
    for (const name of [...it.dirs, "context"]) setTimes(Buffer.from(path.join(folder, name)), time);

  const dockerfile = path.join(context, it.dockerfile);
  const beside = path.join(it.folder, "context", it.dockerfile);
  if (!isThere(dockerfile) && fs.existsSync(beside)) {
    fs.copyFileSync(beside, dockerfile);
    if (fs.existsSync(`${beside}.dockerignore`))
      fs.copyFileSync(`${beside}.dockerignore`, `${dockerfile}.dockerignore`);
  }
  if (www !== undefined && isThere(dockerfile)) {
    fs.writeFileSync(dockerfile, fs.readFileSync(dockerfile, "utf8").replaceAll("@WWW@", www));
  }
  if (isThere(dockerfile)) fs.utimesSync(dockerfile, timeOf(it), timeOf(it));
  return { context, dockerfile };
}

/** The base images as OCI layouts `folder`/NAME; in the repository they share one folder of blobs, to which links lead. */
export function layOutBases(folder: string, { copy = false } = {}): void {
  const source = path.join(FIXTURES, "bases");
  for (const index of fs.globSync("*.json", { cwd: source })) {
    const layout = path.join(folder, path.basename(index, ".json"));
    fs.mkdirSync(path.join(layout, "blobs"), { recursive: true });
    fs.writeFileSync(path.join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}\n');
    fs.copyFileSync(path.join(source, index), path.join(layout, "index.json"));
    const [blobs, target] = [path.join(source, "blobs"), path.join(layout, "blobs/sha256")];
    if (copy) copyTree(blobs, target);
    else fs.symlinkSync(blobs, target);
  }
}

/** Seconds; another one for each case, since builders may know a file by its size and time. */
function timeOf({ name }: Case): number {
  return 1_700_000_000 + (crc32(name) % 1_000_000);
}

function copyTree(source: string, target: string): void {
  fs.mkdirSync(target, { mode: 0o755 });
  if (!fs.existsSync(source)) return;
  for (const entry of fs.readdirSync(source, { withFileTypes: true })) {
    const [from, to] = [path.join(source, entry.name), path.join(target, entry.name)];
    if (entry.isDirectory()) copyTree(from, to);
    else {
      fs.copyFileSync(from, to);
      fs.chmodSync(to, (fs.statSync(from).mode & 0o100) === 0 ? 0o644 : 0o755);
    }
  }
}

function runSetup(script: string, cwd: string, variables: Readonly<Record<string, string>>): void {
  const env = { ...process.env, ...variables, LC_ALL: "C" };
  const { status, stderr } = spawnSync("sh", ["-e", script], { cwd, env, encoding: "utf8" });
  assert.equal(status, 0, `setup.sh: ${stderr}`);
}

/** From the leaves up, since a folder's time changes with its files. Paths are bytes: not all names are UTF-8. */
function setTimes(folder: Buffer, seconds: number): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, encoding: "buffer" })) {
    const child = Buffer.concat([folder, Buffer.from("/"), entry.name]);
    if (entry.isDirectory()) setTimes(child, seconds);
    else fs.lutimesSync(child, seconds, seconds);
  }
  fs.utimesSync(folder, seconds, seconds);
}

function isThere(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}
