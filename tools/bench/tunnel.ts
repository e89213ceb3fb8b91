// Contexts that travel: docker buildx sends a folder to a daemon, to tsbuild's and to BuildKit's; what is measured is the
// client's whole build, without any output, and what it takes of the daemon's processor time. The peak is that of the
// client, or of the daemon where that is larger.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  globSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Measured } from "./measure.ts";
import { measure, peakOf, processorSecondsOf } from "./measure.ts";
import { tableRows } from "./table.ts";

const TSBUILD = [process.execPath, resolve(import.meta.dirname, "../../bin/tsbuild.js")];
/** Where tools/docker-clients.sh puts it, else the machine's. */
const BUILDX = [
  "/var/cache/tsbuild-tests/docker-clients/usr/libexec/docker/cli-plugins/docker-buildx",
  "/usr/libexec/docker/cli-plugins/docker-buildx",
].find((path) => existsSync(path));

const CONTEXTS = [
  { name: "200 MB of context through buildx", folders: 1, filesEach: 4, fileBytes: 50 << 20 },
  { name: "200 files of 1 MB of context through buildx", folders: 4, filesEach: 50, fileBytes: 1 << 20 },
  { name: "20,000 files of context through buildx", folders: 200, filesEach: 100, fileBytes: 5000 },
] as const;

/** What happens to a context before each build that is measured. */
const CHANGES = [
  { name: "all sent", change: touch },
  { name: "one file changed", change: changeOne },
  { name: "nothing changed", change: () => undefined },
] as const;

interface Daemon extends AsyncDisposable {
  readonly name: string;
  readonly address: string;
  /** Undefined where somebody else started it and nobody said it. */
  readonly pid: number | undefined;
}

/** Runs those whose name has `only` in it, and prints their rows. Says what is missing where nothing can be measured. */
export async function benchTunnel(state: string, rounds: number, only: string): Promise<void> {
  const wanted = CONTEXTS.filter(({ name }) => name.includes(only));
  if (wanted.length === 0) return;
  if (BUILDX === undefined)
    return void process.stdout.write("contexts are not measured: there is no docker buildx here\n");
  const environment = { ...process.env, BUILDX_CONFIG: join(state, "buildx") };
  await using held = new AsyncDisposableStack();
  const daemons = [held.use(await startTsbuild(state))];
  const peer = await findBuildkitd(state);
  if (peer !== undefined) daemons.push(held.use(peer));
  for (const { name, address } of daemons)
    spawnSync(BUILDX, ["create", "--name", name, "--driver", "remote", address], { env: environment });
  for (const context of wanted) {
    const folder = join(state, "context");
    write(folder, context);
    const build = async ({ name, pid }: Daemon): Promise<Measured> => {
      spawnSync("sync");
      const before = pid === undefined ? 0 : processorSecondsOf(pid);
      const command = [BUILDX, "build", "--builder", name, "-q", "-o", "type=cacheonly", folder];
      const { seconds, peakMb } = await measure(command, environment);
      if (pid === undefined) return { seconds, peakMb };
      return { seconds, peakMb: Math.max(peakMb, peakOf(pid)), daemonSeconds: processorSecondsOf(pid) - before };
    };
    for (const daemon of daemons) await build(daemon);
    for (const { name: start, change } of CHANGES) {
      const results = new Map<string, readonly Measured[]>();
      for (let round = 0; round < rounds; round++) {
        change(folder);
        for (const daemon of daemons)
          results.set(daemon.name, [...(results.get(daemon.name) ?? []), await build(daemon)]);
      }
      process.stdout.write(tableRows(`${context.name}, ${start}`, results));
    }
    rmSync(folder, { recursive: true });
  }
}

async function startTsbuild(state: string): Promise<Daemon> {
  const socket = join(state, "tsbuild.sock");
  const address = `unix://${socket}`;
  return await start("tsbuild", address, socket, [
    ...TSBUILD,
    ...["daemon", "--addr", address, "--root", join(state, "daemon")],
  ]);
}

/** The one whose address BENCH_BUILDKITD says, and BENCH_BUILDKITD_PID its process, else one of this machine's program. */
async function findBuildkitd(state: string): Promise<Daemon | undefined> {
  const address = process.env["BENCH_BUILDKITD"];
  const pid = process.env["BENCH_BUILDKITD_PID"];
  if (address !== undefined)
    return {
      name: "buildkitd",
      address,
      pid: pid === undefined ? undefined : Number(pid),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  if (spawnSync("buildkitd", ["--version"]).status !== 0) return undefined;
  const socket = join(state, "buildkitd.sock");
  return await start("buildkitd", `unix://${socket}`, socket, [
    ...["buildkitd", "--addr", `unix://${socket}`, "--root", join(state, "buildkitd")],
  ]);
}

/** Waits until it listens; disposing it ends it. Throws when it does not begin. */
async function start(name: string, address: string, socket: string, command: readonly string[]): Promise<Daemon> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: "ignore" });
  const exited = once(child, "exit");
  while (!existsSync(socket)) {
    if (child.exitCode !== null) throw new Error(`${command.join(" ")} ended with ${child.exitCode}`);
    await sleep(50);
  }
  return {
    name,
    address,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill();
      await exited;
    },
  };
}

function write(folder: string, { folders, filesEach, fileBytes }: (typeof CONTEXTS)[number]): void {
  for (let place = 0; place < folders; place++) {
    mkdirSync(join(folder, `${place}`), { recursive: true });
    for (let file = 0; file < filesEach; file++)
      writeFileSync(join(folder, `${place}/${file}`), randomBytes(fileBytes));
  }
  writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY . /\n");
}

function touch(folder: string): void {
  const now = new Date();
  for (const path of globSync("*/*", { cwd: folder })) lutimesSync(join(folder, path), now, now);
}

function changeOne(folder: string): void {
  const [path = ""] = globSync("*/*", { cwd: folder });
  const file = openSync(join(folder, path), "r+");
  writeSync(file, randomBytes(1000), 0, 1000, 0);
  closeSync(file);
}
