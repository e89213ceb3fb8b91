// `make install`: puts the program, its modules and the pinned Node into $PREFIX/lib/tsbuild, and a small `tsbuild` that
// starts them into $PREFIX/bin. The folder is exchanged whole, so an update leaves nothing of the old version behind.
// DESTDIR, as usual, is put before every path written but stands in none.

import { chmodSync, cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

import { copyModules } from "./modules.ts";

const ROOT = path.join(import.meta.dirname, "..");

const prefix = path.resolve(process.env["PREFIX"] || defaultPrefix());
const destdir = process.env["DESTDIR"] ?? "";
const library = path.join(prefix, "lib/tsbuild");
const command = path.join(prefix, "bin/tsbuild");

installLibrary(destdir + library);
installCommand(destdir + command);
console.log(`installed ${destdir}${command}, which runs ${library}/node on ${library}/bin/tsbuild.js`);
const onPath = (process.env["PATH"] ?? "").split(":").includes(path.dirname(command));
if (!onPath) console.log(`${path.dirname(command)} is not on your PATH`);

function defaultPrefix(): string {
  return process.getuid?.() === 0 ? "/usr/local" : path.join(os.homedir(), ".local");
}

function installLibrary(target: string): void {
  const fresh = `${target}.new`;
  const old = `${target}.old`;
  for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  for (const item of ["bin", "dist", "package.json", "LICENSE", "README.md"]) {
    cpSync(path.join(ROOT, item), path.join(fresh, item), { recursive: true });
  }
  copyModules(ROOT, fresh);
  cpSync(process.execPath, path.join(fresh, "node"));
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

function installCommand(target: string): void {
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(
    `${target}.new`,
    `#!/bin/sh\nexec ${quote(`${library}/node`)} -- ${quote(`${library}/bin/tsbuild.js`)} "$@"\n`,
  );
  chmodSync(`${target}.new`, 0o755);
  renameSync(`${target}.new`, target);
}

/** For sh(1). */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
