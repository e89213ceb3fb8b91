// Programs that speak docker's API, each on a socket and a folder of its own: podman's service, and dockerd.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { isRoot, missing } from "./demo-image.ts";

/** Where tools/debian-packages.sh unpacks Debian's docker.io: installed, it would start itself. */
const DOCKERD = ["/var/cache/tsbuild-tests/docker.io/usr/sbin/dockerd", "/usr/sbin/dockerd", "/usr/bin/dockerd"];

export interface RunningDaemon extends AsyncDisposable {
  /** As DOCKER_HOST has it. */
  readonly host: string;
}

export interface DaemonKind {
  readonly name: string;
  /** Why there is none here. */
  readonly missing: string | false;
  start(): Promise<RunningDaemon>;
}

/** Both; whoever uses one skips where it is missing. */
export const DAEMONS: readonly DaemonKind[] = [
  {
    name: "podman's service",
    missing: missing("podman"),
    start: () =>
      startDaemon((folder) => [
        "podman",
        ...["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--storage-driver", "vfs"],
        ...["system", "service", "--time=0", `unix://${join(folder, "s")}`],
      ]),
  },
  {
    name: "dockerd",
    missing: !isRoot
      ? "dockerd needs root"
      : dockerd() === undefined
        ? "dockerd is not installed"
        : missing("containerd"),
    start: () =>
      startDaemon((folder) => [
        dockerd() ?? "",
        ...["--data-root", join(folder, "root"), "--exec-root", join(folder, "exec"), "--pidfile", join(folder, "pid")],
        ...["-H", `unix://${join(folder, "s")}`, "--iptables=false", "--ip6tables=false", "--bridge=none"],
        ...["--storage-driver", "vfs"],
      ]),
  },
];

function dockerd(): string | undefined {
  return DOCKERD.find((path) => existsSync(path));
}

async function startDaemon(wordsIn: (folder: string) => readonly string[]): Promise<RunningDaemon> {
  // A socket's path must be short.
  const folder = mkdtempSync(join(tmpdir(), "tsb-"));
  const [program = "", ...args] = wordsIn(folder);
  const server = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  server.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  const socket = join(folder, "s");
  for (let tries = 0; tries < 600 && server.exitCode === null; tries++) {
    if (existsSync(socket) && (await get(socket, "/_ping")) !== undefined) break;
    await sleep(100);
  }
  if (server.exitCode !== null) throw new Error(`${program} ended:\n${said}`);
  return {
    host: `unix://${socket}`,
    async [Symbol.asyncDispose]() {
      const ended = server.exitCode === null ? once(server, "exit") : undefined;
      server.kill();
      await ended;
      // What it has mounted stays mounted.
      const mounts = readFileSync("/proc/self/mounts", "utf8")
        .split("\n")
        .map((line) => line.split(" ")[1] ?? "");
      for (const mount of mounts.filter((path) => path.startsWith(folder)).toReversed())
        spawnSync("umount", ["-l", mount]);
      const clean = 'rm -rf "$1" 2>/dev/null || podman unshare rm -rf "$1"';
      spawnSync("sh", ["-c", clean, "sh", folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a daemon calls an image. */
export async function imageIdAt({ host }: RunningDaemon, name: string): Promise<string | undefined> {
  const text = await get(host.slice("unix://".length), `/images/${name}/json`);
  return text === undefined ? undefined : (JSON.parse(text) as { Id?: string }).Id;
}

function get(socketPath: string, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve(response.statusCode === 200 ? text : undefined));
    });
    asked.on("error", () => resolve(undefined));
    asked.end();
  });
}
