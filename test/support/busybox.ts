// The base image of script tests, `fixture:busybox`: the machine's own static busybox and its applets, built by the
// program under test from `FROM scratch`. Nothing is unpacked for it, so its store can be copied for each script.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import process from "node:process";

import { COMPILE_CACHE } from "./compile-cache.ts";
import { copyShared } from "./shared-place.ts";

const TSBUILD = path.join(import.meta.dirname, "../../bin/tsbuild.js");
const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"];

const DOCKERFILE = `\
FROM scratch
COPY . /
ENV PATH=/bin
CMD ["sh"]
`;

export interface Base {
  readonly storeRoot: string;
  /** The image alone, as an OCI layout. */
  readonly layout: string;
}

/** Why there can be no base image here; undefined when there can. */
export function whyNoBusybox(): string | undefined {
  return findBusybox() === undefined ? "needs a static busybox (Debian: busybox-static)" : undefined;
}

/** A new store below `folder` that has `fixture:busybox`. The test files of a run share what the first of them builds. */
export async function buildBase(folder: string): Promise<Base> {
  const place = path.join(folder, "base");
  await copyShared("base", place, [import.meta.filename, findBusybox() ?? assert.fail(whyNoBusybox())], build);
  return { storeRoot: path.join(place, "store"), layout: path.join(place, "layout") };
}

/** Builds the image into `place`/store and `place`/layout. */
function build(place: string): void {
  const context = path.join(place, "context");
  makeContext(context);
  const file = path.join(place, "Dockerfile");
  fs.writeFileSync(file, DOCKERFILE);
  const outputs = ["-t", "fixture:busybox", "-o", "type=image", "-o", `type=oci,tar=false,dest=${place}/layout`];
  const args = [TSBUILD, "build", "--root", path.join(place, "store"), "--file", file, ...outputs, context];
  const env = { PATH: process.env["PATH"] ?? "", HOME: place, ...COMPILE_CACHE };
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  assert.equal(status, 0, `the base image: ${stderr}`);
  fs.rmSync(context, { recursive: true });
}

function makeContext(context: string): void {
  for (const name of ["bin", "dev", "etc", "proc", "root", "sys", "tmp"])
    fs.mkdirSync(path.join(context, name), { recursive: true });
  const busybox = findBusybox() ?? assert.fail(whyNoBusybox());
  fs.copyFileSync(busybox, path.join(context, "bin/busybox"));
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n");
  for (const name of applets.filter((applet) => applet !== "" && applet !== "busybox")) {
    fs.symlinkSync("busybox", path.join(context, "bin", name));
  }
  fs.writeFileSync(path.join(context, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/:/bin/sh\n");
  fs.writeFileSync(path.join(context, "etc/group"), "root:x:0:\nguest:x:1000:\n");
}

/** A static busybox of this machine. */
export function findBusybox(): string | undefined {
  return BUSYBOX.find((file) => {
    if (!fs.existsSync(file)) return false;
    const { stdout, stderr } = spawnSync("ldd", [file], { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
    return /not a dynamic executable|statically linked/.test(`${stdout}${stderr}`);
  });
}
