// Plays a scene with some builder: lays it out, builds it, and for each case changes something and builds again.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";

import { pack } from "tar-stream";

import type { ArchiveEntry, Case, Scene } from "./scenes.ts";

/** A step as a builder's events tell of it when it is done. */
export interface Step {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly ran: boolean;
}

/** Builds with these flags and gives the steps; a failure is thrown. */
export type Builder = (flags: readonly string[], context: string) => Promise<readonly Step[]>;

/** What a scene is played with. */
export interface Stage {
  readonly builder: Builder;
  /** Of this scene alone; it does not exist yet. */
  readonly folder: string;
  /** Base images as OCI layouts, by name. */
  readonly bases: string;
  /** Web server of `folder`/www. */
  readonly www: string;
}

/** CAP_NET_RAW, effective, as it stands in security.capability (capabilities(7), revision 2). */
const CAPABILITY = `\u0001\0\0\u0002\0\u0020${"\0".repeat(14)}`;

/** Tells which steps ran of each case that is played. */
export async function play(
  scene: Scene,
  stage: Stage,
  isPlayed: (it: Case) => boolean,
  tell: (it: Case, ran: readonly string[]) => void,
): Promise<void> {
  const context = path.join(stage.folder, "context");
  const fill = fillIn(stage);
  const build = async (args: readonly string[], name: string): Promise<readonly string[]> => {
    const bases = ["--build-context", `busybox=oci-layout://${path.join(stage.bases, "busybox")}`];
    const steps = await stage.builder([...bases, ...args.map(fill)], path.join(stage.folder, name));
    return steps.flatMap((step) => instructionOf(step)?.replaceAll(stage.www, "@WWW@") ?? []);
  };
  mkdirSync(context, { recursive: true });
  writeFileSync(path.join(context, "Dockerfile"), fill(scene.dockerfile.trimStart()));
  for (const [name, entries] of Object.entries(scene.archives)) await writeArchive(path.join(context, name), entries);
  shell(fill(scene.setup), context);
  const pristine = `${stage.folder}.pristine`;
  shell(`cp -a '${stage.folder}' '${pristine}'`, context);
  const first = await build(scene.args, "context");
  let isPristine = true;
  for (const it of scene.case) {
    if (!isPlayed(it)) continue;
    // The same folder, with the same times.
    const reset = isPristine ? "" : `cd ..; find . -mindepth 1 -delete; cp -a '${pristine}/.' .; cd context`;
    isPristine = false;
    shell([reset, fill(it.change ?? "")].join("\n"), context);
    tell(it, it.first ? first : await build([...(it.args ?? scene.args), ...it.add], it.context));
  }
}

function fillIn({ folder, bases, www }: Stage): (text: string) => string {
  return (text) => text.replaceAll("@SCENE@", folder).replaceAll("@BASES@", bases).replaceAll("@WWW@", www);
}

/**
 * The instruction of a step that ran and made something. Not of FROM, nor the stacking of a linked copy, nor what is
 * internal, nor what has no inputs: that is where a download is looked at, which bears the name of its ADD.
 */
function instructionOf({ name, inputs, ran }: Step): string | undefined {
  if (!ran || inputs.length === 0) return undefined;
  return /^\[(?!internal)(?:[^\]]* )?\d+\/\d+\] (?!FROM |LINK )(.*)$/s.exec(name)?.[1];
}

function shell(script: string, cwd: string): void {
  const env = { ...process.env, LC_ALL: "C", GIT_CONFIG_NOSYSTEM: "1", HOME: cwd };
  const { status, stderr } = spawnSync("sh", ["-ec", script], { cwd, env, encoding: "utf8" });
  assert.equal(status, 0, `${script}: ${stderr}`);
}

async function writeArchive(file: string, entries: readonly ArchiveEntry[]): Promise<void> {
  const tar = pack();
  for (const { name, text = "", uid = 0, mtime = 1, device, capability = false } of entries) {
    const common = { name, uid, mode: 0o644, mtime: new Date(mtime * 1000) };
    if (device === undefined)
      tar.entry(
        { ...common, ...(capability ? { pax: { "SCHILY.xattr.security.capability": CAPABILITY } } : {}) },
        text,
      );
    else tar.entry({ ...common, type: "character-device", devmajor: device[0], devminor: device[1] });
  }
  tar.finalize();
  await pipeline(tar, createWriteStream(file));
}
