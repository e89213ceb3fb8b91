// The builders that are compared: tsbuild itself, and any peer this machine has and can run.

import { spawnSync } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Builder {
  readonly name: string;
  readonly clean: () => void;
  readonly build: (context: string, archive: string | undefined) => readonly string[];
}

/** tsbuild first, then itself with secrets to look for in all that it writes, then the peers that answer. */
export function findBuilders(state: string): Builder[] {
  return [
    tsbuild("tsbuild", join(state, "root"), []),
    tsbuild("tsbuild, 4 secrets", join(state, "guarded-root"), secretFlags(state)),
    ...[docker(), buildctl(), buildah(state)].flatMap((peer) => peer ?? []),
  ];
}

function tsbuild(name: string, root: string, flags: readonly string[]): Builder {
  const program = resolve(import.meta.dirname, "../../bin/tsbuild.js");
  return {
    name,
    clean: () => rmSync(root, { recursive: true, force: true }),
    build: (context, archive) => [
      process.execPath,
      program,
      "--root",
      root,
      "build",
      "-t",
      "bench",
      ...flags,
      ...(archive === undefined ? [] : ["-o", `type=oci,dest=${archive}`]),
      context,
    ],
  };
}

/** A short word, a token, a file with several lines, and a private key. */
function secretFlags(state: string): string[] {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 4096 });
  const secrets = {
    word: "hunter2",
    token: `npm_${randomBytes(27).toString("base64url")}`,
    netrc: `machine example.org\nlogin jane\npassword ${randomBytes(12).toString("hex")}\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
  return Object.entries(secrets).flatMap(([id, value]) => {
    const file = join(state, `secret-${id}`);
    writeFileSync(file, value);
    return ["--secret", `id=${id},src=${file}`];
  });
}

function answers(...command: string[]): boolean {
  const [program = "", ...args] = command;
  return spawnSync(program, args, { stdio: "ignore", timeout: 10_000 }).status === 0;
}

function quietly(...command: string[]): void {
  const [program = "", ...args] = command;
  spawnSync(program, args, { stdio: "ignore" });
}

function docker(): Builder | undefined {
  if (!answers("docker", "info")) return undefined;
  return {
    name: "docker",
    clean: () => quietly("docker", "builder", "prune", "-af"),
    build: (context, archive) => [
      "docker",
      "build",
      "--network",
      "host",
      "-t",
      "bench",
      ...(archive === undefined ? [] : ["-o", `type=docker,dest=${archive}`]),
      context,
    ],
  };
}

function buildctl(): Builder | undefined {
  if (!answers("buildctl", "debug", "workers")) return undefined;
  return {
    name: "buildctl",
    clean: () => quietly("buildctl", "prune", "--all"),
    build: (context, archive) => [
      ...[
        "buildctl",
        "build",
        "--frontend",
        "dockerfile.v0",
        "--local",
        `context=${context}`,
        "--local",
        `dockerfile=${context}`,
      ],
      ...["--output", archive === undefined ? "type=image,name=bench" : `type=oci,dest=${archive}`],
    ],
  };
}

function buildah(state: string): Builder | undefined {
  if (!answers("buildah", "version")) return undefined;
  const base = ["buildah", "--root", join(state, "buildah"), "--runroot", join(state, "buildah-run")];
  return {
    name: "buildah",
    clean: () => quietly(...base, "prune", "-af"),
    build: (context, archive) => [
      ...base,
      "build",
      "--layers",
      "--isolation",
      "chroot",
      "-t",
      archive === undefined ? "bench" : `oci-archive:${archive}`,
      context,
    ],
  };
}
