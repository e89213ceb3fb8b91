// The demo's image, built by the program under test, for other programs to read; and how those are run.

import assert from "node:assert/strict";
import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

import { writeContexts } from "../../tools/demo/contexts.ts";
import { copyShared } from "../support/shared-place.ts";

const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");

export interface DemoImage extends Disposable {
  /** A folder for the test's own files. */
  readonly folder: string;
  /** Has the images `demo` and `demo2`. */
  readonly storeRoot: string;
  /** `demo2` as files. */
  readonly ociArchive: string;
  readonly dockerArchive: string;
  readonly layout: string;
  /** Of `demo2`'s config. */
  readonly imageId: string;
}

/** Both images of the demo, and the second one in every form. The test files of a run share what the first of them builds. */
export async function buildDemo(): Promise<DemoImage> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tsbuild-peers-"));
  fs.chmodSync(folder, 0o755);
  const file = (name: string): string => path.join(folder, "demo", name);
  await copyShared("demo", file(""), MADE_OF, build);
  return {
    folder,
    storeRoot: file("store"),
    ociArchive: file("oci.tar"),
    dockerArchive: file("docker.tar"),
    layout: file("layout"),
    imageId: fs.readFileSync(file("id"), "utf8"),
    [Symbol.dispose]: () => removeFolder(folder),
  };
}

const DEMO = path.join(import.meta.dirname, "../../tools/demo");
const MADE_OF = [import.meta.filename, ...["contexts.ts", "rootfs.ts"].map((name) => path.join(DEMO, name))];

async function build(place: string): Promise<void> {
  fs.mkdirSync(place);
  const file = (name: string): string => path.join(place, name);
  const { base, second } = await writeContexts(place);
  tsbuild(["--root", file("store"), "build", "-q", "-t", "demo", base]);
  const outputs = [
    "type=image",
    `type=oci,dest=${file("oci.tar")}`,
    `type=docker,dest=${file("docker.tar")}`,
    `type=oci,tar=false,dest=${file("layout")}`,
  ];
  const flags = [...outputs.flatMap((output) => ["-o", output]), "--iidfile", file("id")];
  tsbuild(["--root", file("store"), "build", "-q", "-t", "demo2", ...flags, second]);
}

/** Rootless peers leave files of other ids and folders without rights. */
export function removeFolder(folder: string): void {
  spawnSync("sh", ["-c", REMOVE, "sh", folder]);
}

const REMOVE =
  'rm -rf "$1" 2>/dev/null || { podman unshare rm -rf "$1"; chmod -R u+rwx "$1"; rm -rf "$1"; } 2>/dev/null';

/** Runs the program under test; its standard output. */
export function tsbuild(args: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  return run(process.execPath, [TSBUILD, ...args], { env: { ...process.env, ...environment } });
}

/** Runs a program that must succeed; its standard output. */
export function run(program: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr } = attempt(program, args, options);
  assert.equal(status, 0, `${program} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

/** Runs a program that may fail. */
export function attempt(
  program: string,
  args: readonly string[],
  options: SpawnSyncOptions = {},
): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    ...options,
    encoding: "utf8",
    timeout: 300_000,
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** Why a test cannot run: the first of these programs that is not there. False when all are. */
export function missing(...programs: readonly string[]): string | false {
  const gone = programs.find((program) => spawnSync(program, ["--version"]).error !== undefined);
  return gone === undefined ? false : `${gone} is not installed`;
}

export const isRoot = process.getuid?.() === 0;
