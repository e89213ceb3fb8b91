// A daemon in a process of its own, with a base image in its store, for the unmodified clients of docker.

import { execFile, spawn, spawnSync } from "node:child_process";
import type { ChildProcess, PromiseWithChild } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import assert from "node:assert/strict";
import { buildBase, whyNoBusybox } from "../support/busybox.ts";

const TSBUILD = new URL("../../bin/tsbuild.js", import.meta.url).pathname;
const run = promisify(execFile);

/** What a client said that ended. */
export interface Said {
  readonly stdout: string;
  readonly stderr: string;
}

/** A running daemon; disposing it tells it to stop, and waits until it has. */
export interface ChildDaemon extends AsyncDisposable {
  /** Where everything of the test lies. */
  readonly folder: string;
  /** "unix:///…". */
  readonly address: string;
  readonly socket: string;
  readonly pid: number | undefined;
  /** What the daemon has logged. */
  log(): string;
}

/** Why there can be none here, or it could run no step; false when it can. */
export function whyNoDaemon(): string | false {
  const isPermitted = (): boolean => spawnSync(process.execPath, [TSBUILD, "doctor"]).status === 0;
  return whyNoBusybox() ?? (isPermitted() ? false : "no sandbox for RUN here");
}

/** Starts one whose store has `fixture:busybox`; `flags` says further ones, which may lie in its folder. */
export async function startDaemon(
  name: string,
  flags: (folder: string) => readonly string[] = () => [],
): Promise<ChildDaemon> {
  const folder = await mkdtemp(join(tmpdir(), `tsbuild-${name}-`));
  const { storeRoot } = await buildBase(folder);
  return await startDaemonIn(folder, storeRoot, flags(folder));
}

/** Starts one with an empty store. */
export async function startEmptyDaemon(name: string): Promise<ChildDaemon> {
  const folder = await mkdtemp(join(tmpdir(), `tsbuild-${name}-`));
  return await startDaemonIn(folder, join(folder, "store"));
}

async function startDaemonIn(folder: string, storeRoot: string, flags: readonly string[] = []): Promise<ChildDaemon> {
  const socket = join(folder, "d.sock");
  const address = `unix://${socket}`;
  const daemon: ChildProcess = spawn(
    process.execPath,
    // The socket comes last: when it is told of, all are open.
    [TSBUILD, "daemon", ...flags, "--addr", address, "--root", storeRoot],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  daemon.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
  while (!log.includes(`"address":"${address}"`) && daemon.exitCode === null) await pause();
  return {
    folder,
    address,
    socket,
    pid: daemon.pid,
    log: () => log,
    async [Symbol.asyncDispose]() {
      const ended = once(daemon, "exit");
      daemon.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** A folder with these files. */
export async function contextOf(
  folder: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const context = join(folder, "contexts", name);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(context, path, ".."), { recursive: true });
    await writeFile(join(context, path), text);
  }
  return context;
}

/** Runs a client with more in its environment. */
export function runClient(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): PromiseWithChild<Said> {
  return run(program, args, { env: { ...process.env, ...environment }, encoding: "utf8", maxBuffer: 64 << 20 });
}

/** What a client says that ends with an error, and its exit code. */
export async function failureOf(ended: Promise<Said>): Promise<Said & { readonly code: number }> {
  try {
    await ended;
  } catch (error) {
    return error as Said & { readonly code: number }; // what execFile rejects with
  }
  return assert.fail("the client did not fail");
}

/** Programs that a process has started and that still run. */
export function childrenOf(pid: number | undefined): readonly string[] {
  const { stdout } = spawnSync("ps", ["--no-headers", "-o", "args", "--ppid", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "");
}

/** A little while. */
export async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}
