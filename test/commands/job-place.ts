// Where jobs of the executor run in tests: a store with a base image, a registry, and an app to build.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ended, type Room, Running, type StartOptions, Workshop } from "../robustness/workshop.ts";
import { type MemoryRegistry, startMemoryRegistry } from "../support/memory-registry.ts";

const COPIES = "FROM scratch\nARG WHO=nobody\nLABEL who=$WHO\nCOPY . /src\n";

/** Opened by a suite and closed after it. */
export class JobPlace {
  readonly workshop: Workshop;
  readonly room: Room;
  readonly registry: MemoryRegistry;
  /** With the app in "app" and "app.tgz". */
  readonly folder = mkdtempSync(join(tmpdir(), "tsbuild-job-"));

  private constructor(workshop: Workshop, registry: MemoryRegistry) {
    this.workshop = workshop;
    this.room = workshop.room({ Dockerfile: COPIES });
    this.registry = registry;
    const { folder } = this;
    mkdirSync(join(folder, "app/sub"), { recursive: true });
    writeFileSync(join(folder, "app/Dockerfile"), COPIES);
    writeFileSync(join(folder, "app/file"), "file\n");
    writeFileSync(join(folder, "app/left-out"), "x");
    writeFileSync(join(folder, "app/.dockerignore"), "left-out\nsub\n");
    writeFileSync(join(folder, "app/sub/Dockerfile"), "FROM scratch\nCOPY below /\n");
    writeFileSync(join(folder, "app/sub/below"), "below\n");
    execFileSync("tar", ["--sort=name", "-czf", join(folder, "app.tgz"), "-C", join(folder, "app"), "."]);
  }

  static async open(): Promise<JobPlace> {
    return new JobPlace(await Workshop.open(), await startMemoryRegistry());
  }

  async close(): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
    await this.workshop.close();
  }

  /** Runs a job to its end. */
  async job(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
    return await new Running(["--root", this.room.root, "executor", ...args], this.room.home, options).ended;
  }

  /** The digest of what a job builds, which must succeed. */
  async digestOf(args: readonly string[], options: StartOptions = {}): Promise<string> {
    const file = join(this.folder, "out", "digest");
    const ended = await this.job(["--reproducible", "--digest-file", file, ...args], options);
    assert.equal(ended.code, 0, ended.stderr);
    const digest = readFileSync(file, "utf8");
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    rmSync(join(this.folder, "out"), { recursive: true });
    return digest;
  }
}
