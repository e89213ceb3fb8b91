// What the tests of this room share: the program as a process that can be watched and killed, a store with a base image,
// and a look at what a process left behind.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runAsOwner } from "../support/as-owner.ts";
import { compileCacheOf } from "../support/compile-cache.ts";
import { buildBase } from "../support/busybox.ts";

export const TSBUILD = join(import.meta.dirname, "../../bin/tsbuild.js");
export const isRoot = process.geteuid?.() === 0;

/** How a process ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user; needs root. */
  readonly uid?: number;
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  /** Words before `node`: a wrapper. */
  readonly wrapper?: readonly string[];
}

/** The program, running. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = "";
  #stderr = "";

  constructor(args: readonly string[], home: string, options: StartOptions = {}) {
    const [file = "", ...rest] = [...(options.wrapper ?? []), process.execPath, "--", TSBUILD, ...args];
    const env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: home,
      ...compileCacheOf(options.uid),
      ...options.env,
    };
    const ids = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
    this.child = spawn(file, rest, { env, cwd: options.cwd ?? home, stdio: ["pipe", "pipe", "pipe"], ...ids });
    this.child.stdin?.on("error", () => undefined).end(options.input ?? "");
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("close", (code, signal) => {
        resolve({
          code: code ?? (signal === null ? -1 : -2),
          stdout: this.#stdout,
          stderr: this.#stderr,
        });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Waits until something holds; fails with the output when the program ends before, or after a minute. */
  async until(holds: (output: string) => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (!holds(`${this.#stdout}${this.#stderr}`)) {
      assert.equal(this.child.exitCode, null, `it ended before ${what}:\n${this.#stderr}`);
      assert.ok(performance.now() < deadline, `no ${what} within a minute:\n${this.#stderr}`);
      await sleep(3);
    }
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    const ended = await this.ended;
    return ended;
  }
}

/** A folder with a base store, in which each test makes rooms of its own. */
export class Workshop {
  readonly folder: string;
  #rooms = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Builds the base image `fixture:busybox` once. */
  static async open(): Promise<Workshop> {
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-robust-"));
    chmodSync(folder, 0o755);
    await buildBase(folder);
    return new Workshop(folder);
  }

  /** Takes everything away, also what a step made for itself alone. */
  async close(): Promise<void> {
    const { stderr } = await runAsOwner("rm", "-rf", this.folder);
    assert.equal(stderr, "");
  }

  /** A fresh context with these files, and a fresh store with the base image. */
  room(files: Readonly<Record<string, string>>, options: { readonly root?: string } = {}): Room {
    const home = join(this.folder, String(this.#rooms++));
    const context = join(home, "context");
    mkdirSync(context, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(context, name), text);
    const root = options.root ?? join(home, "root");
    cpSync(join(this.folder, "base/store"), root, { recursive: true, verbatimSymlinks: true });
    return new Room(home, context, root);
  }
}

export class Room {
  readonly home: string;
  readonly context: string;
  readonly root: string;

  constructor(home: string, context: string, root: string) {
    this.home = home;
    this.context = context;
    this.root = root;
  }

  /** `tsbuild build` of the context, with plain progress. */
  start(args: readonly string[] = [], options: StartOptions = {}): Running {
    return new Running(
      ["--root", this.root, "build", "--progress", "plain", ...args, this.context],
      this.home,
      options,
    );
  }

  async build(args: readonly string[] = [], options: StartOptions = {}): Promise<Ended> {
    return await this.start(args, options).ended;
  }

  async succeed(args: readonly string[] = [], options: StartOptions = {}): Promise<Ended> {
    const ended = await this.build(args, options);
    assert.equal(ended.code, 0, ended.stderr);
    return ended;
  }

  /** What lies in the store's folders of temporary files. */
  temporaries(): string[] {
    return ["work", "tmp"].flatMap((name) => {
      const folder = join(this.root, "tsbuild", name);
      return existsSync(folder) ? readdirSync(folder).map((file) => `${name}/${file}`) : [];
    });
  }
}

/** Processes in whose arguments a text stands; a zombie has none. */
function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => readText(`/proc/${pid}/cmdline`).includes(text))
    .map(Number);
}

/** Waits until no process has the text in its arguments. */
export async function nobodyRuns(text: string): Promise<void> {
  for (let attempt = 0; attempt < 200 && processesWith(text).length > 0; attempt++) await sleep(10);
  assert.deepEqual(processesWith(text), [], `"${text}" still runs`);
}

/** Waits until a process has the text in its arguments. */
export async function somebodyRuns(text: string): Promise<void> {
  for (let attempt = 0; attempt < 3000 && processesWith(text).length === 0; attempt++) await sleep(10);
  assert.notEqual(processesWith(text).length, 0, `"${text}" does not run`);
}

/** Mounts of this machine below a folder. */
export function mountsBelow(folder: string): string[] {
  return readText("/proc/self/mountinfo").split("\n").filter((line) => line.includes(folder)); // prettier-ignore
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The first user of /etc/passwd that has subordinate ids. */
export function userWithSubordinateIds(): number | undefined {
  if (!isRoot || spawnSync("newuidmap").error !== undefined) return undefined;
  const [subuid, subgid] = ["/etc/subuid", "/etc/subgid"].map((file) =>
    existsSync(file) ? readFileSync(file, "utf8") : "",
  ) as [string, string];
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name = "", , uid = ""] = line.split(":");
    if (name === "" || name === userInfo().username) continue;
    if ([subuid, subgid].every((text) => text.split("\n").some((range) => range.startsWith(`${name}:`))))
      return Number(uid);
  }
  return undefined;
}
