// The builders that are compared: tsbuild itself, and any peer this machine has and can run.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Builder {
  readonly name: string;
  readonly clean: () => void;
  readonly build: (context: string, archive: string | undefined) => readonly string[];
}

/** tsbuild first, then the peers that answer. */
export function findBuilders(state: string): Builder[] {
  const root = join(state, "root");
  const program = resolve(import.meta.dirname, "../../bin/tsbuild.js");
  const ours: Builder = {
    name: "tsbuild",
    clean: () => rmSync(root, { recursive: true, force: true }),
    build: (context, archive) => [
      process.execPath,
      program,
      "--root",
      root,
      "build",
      "-t",
      "bench",
      ...(archive === undefined ? [] : ["-o", `type=oci,dest=${archive}`]),
      context,
    ],
  };
  return [ours, ...[docker(), buildctl(), buildah(state)].flatMap((peer) => peer ?? [])];
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
