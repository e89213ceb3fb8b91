// What several test files work on and none changes is made once in a run, by whoever is first; each copies it.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import path from "node:path";
import process from "node:process";

import { COMPILE_CACHE } from "./compile-cache.ts";

const DIST = path.join(import.meta.dirname, "../../dist");

type Make = (place: string) => void | Promise<void>;

/**
 * Fills `place`, which is not there yet, with what `make` makes of this very program and these files for this user. What an
 * older program made of that name goes.
 */
export async function copyShared(name: string, place: string, files: readonly string[], make: Make): Promise<void> {
  const shared = COMPILE_CACHE["NODE_COMPILE_CACHE"];
  if (shared === undefined) return await make(place);
  const source = await findOrMake(shared, `${name}-${process.getuid?.() ?? 0}-`, hashOf(files), make);
  // Not cpSync: a store has the whiteouts of its layers, which are devices.
  const { status, stderr } = spawnSync("cp", ["-a", source, place], { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot copy what tests share: ${stderr}`);
}

async function findOrMake(shared: string, prefix: string, hash: string, make: Make): Promise<string> {
  const name = `${prefix}${hash}`;
  const place = path.join(shared, name);
  if (fs.existsSync(place)) return place;
  fs.mkdirSync(shared, { recursive: true });
  for (const other of fs.readdirSync(shared)) {
    if (other.startsWith(prefix) && !other.startsWith(name)) fs.rmSync(path.join(shared, other), { recursive: true });
  }
  const own = `${place}.${process.pid}`;
  await make(own);
  try {
    fs.renameSync(own, place);
  } catch (error) {
    // Another test file was quicker.
    if (!fs.existsSync(place)) throw error;
    fs.rmSync(own, { recursive: true });
  }
  return place;
}

/** A digest of the program's code and of these files. */
function hashOf(files: readonly string[]): string {
  const hash = createHash("sha256");
  const code = fs.globSync("*.cjs", { cwd: DIST }).toSorted();
  for (const file of [...code.map((name) => path.join(DIST, name)), ...files]) hash.update(fs.readFileSync(file));
  return hash.digest("hex").slice(0, 32);
}
