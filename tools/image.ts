// `make image`: our own images, built by the program itself from deploy/Dockerfile and this Debian machine's files, as OCI
// layouts in dist/images.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { layOutImage } from "./image/root.ts";

const ROOT = path.join(import.meta.dirname, "..");
const TSBUILD = path.join(ROOT, "bin/tsbuild.js");

const folder = mkdtempSync(path.join(os.tmpdir(), "tsbuild-image-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const context = path.join(folder, "context");
layOutImage(ROOT, context);
for (const target of ["executor", "debug", "daemon"]) {
  const layout = path.join(ROOT, "dist/images", target);
  rmSync(layout, { recursive: true, force: true });
  const words = [
    "build",
    "--root",
    path.join(folder, "store"),
    "--reproducible",
    "-f",
    path.join(ROOT, "deploy/Dockerfile"),
  ];
  const output = `type=oci,tar=false,dest=${layout},name=tsbuild/${target}:latest`;
  const { status } = spawnSync(process.execPath, [TSBUILD, ...words, "--target", target, "-o", output, "-q", context], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) process.exit(status ?? 1);
  const { stdout } = spawnSync("du", ["-sm", layout], { encoding: "utf8" });
  console.log(`${path.relative(ROOT, layout)}: ${stdout.split("\t")[0]} MB`);
}
