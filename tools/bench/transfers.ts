// Transfers: an image from a registry of this machine and into one, by tsbuild and by whatever else is here that
// moves images. Each run begins with nothing: an empty store, or an empty registry.

import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Measured } from "./measure.ts";
import { measure } from "./measure.ts";
import { tableRows } from "./table.ts";

const MIB = 1 << 20;
const TSBUILD = [process.execPath, resolve(import.meta.dirname, "../../bin/tsbuild.js")];

/** What a program is given for one run. */
interface Task {
  /** "127.0.0.1:5000/bench:1". */
  readonly name: string;
  /** The image as an OCI layout. */
  readonly layout: string;
  /** Empty, and the program's alone. */
  readonly folder: string;
}

interface Transfer {
  readonly name: string;
  /** Layers of the image, in MiB before they are compressed: half noise, half text. */
  readonly layersMib: readonly number[];
  readonly direction: "pull" | "push";
  /** At most so many rounds. */
  readonly rounds: number;
  /** By program; what `before` does is not timed. */
  readonly programs: Readonly<Record<string, Program>>;
}

interface Program {
  readonly run: (task: Task) => readonly string[];
  readonly before?: (task: Task) => readonly string[];
}

const tsbuild = ({ folder }: Task, command: string, ...args: readonly string[]): readonly string[] => [
  ...TSBUILD,
  "--root",
  join(folder, "store"),
  command,
  ...args,
];
const buildah = ({ folder }: Task, ...args: readonly string[]): readonly string[] => [
  ...["buildah", "--root", join(folder, "root"), "--runroot", join(folder, "run")],
  ...args,
];
const skopeo = (from: string, to: string): readonly string[] => [
  ...["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", from, to],
];
const pull: Readonly<Record<string, Program>> = {
  tsbuild: { run: (task) => tsbuild(task, "copy", "-q", `docker://${task.name}`, `oci:${task.folder}/out:1`) },
  skopeo: { run: ({ name, folder }) => skopeo(`docker://${name}`, `oci:${folder}/out:1`) },
};
const push: Readonly<Record<string, Program>> = {
  tsbuild: { run: (task) => tsbuild(task, "copy", "-q", `oci:${task.layout}:1`, `docker://${task.name}`) },
  skopeo: { run: ({ name, layout }) => skopeo(`oci:${layout}:1`, `docker://${name}`) },
};
const unpack: Readonly<Record<string, Program>> = {
  tsbuild: { run: (task) => tsbuild(task, "bundle", "-q", `docker://${task.name}`, join(task.folder, "bundle")) },
  buildah: { run: (task) => buildah(task, "pull", "-q", "--tls-verify=false", `docker://${task.name}`) },
  "skopeo, umoci": {
    run: (task) => [
      ...["sh", "-ec", 'out=$1; shift; "$@"; umoci unpack --image "$out:1" "$out.bundle"', "sh"],
      join(task.folder, "out"),
      ...skopeo(`docker://${task.name}`, `oci:${task.folder}/out:1`),
    ],
  },
  docker: {
    before: ({ name }) => ["sh", "-c", 'docker rmi -f "$1" || true', "sh", name],
    run: ({ name }) => ["docker", "pull", "-q", name],
  },
};
const SEVERAL = [200, 120, 60, 20];

const TRANSFERS: readonly Transfer[] = [
  {
    name: "pull and unpack 400 MB",
    layersMib: SEVERAL,
    direction: "pull",
    rounds: Infinity,
    programs: unpack,
  },
  { name: "pull 400 MB into a layout", layersMib: SEVERAL, direction: "pull", rounds: Infinity, programs: pull },
  {
    name: "push 400 MB",
    layersMib: SEVERAL,
    direction: "push",
    rounds: Infinity,
    programs: {
      ...push,
      // skopeo looks into no layer either.
      "tsbuild --check-layers=false": {
        run: (task) =>
          tsbuild(task, "copy", "-q", "--check-layers=false", `oci:${task.layout}:1`, `docker://${task.name}`),
      },
      buildah: {
        before: (task) => buildah(task, "pull", "-q", `oci:${task.layout}:1`),
        run: (task) => [
          ...["sh", "-ec", 'to=$1; shift; "$@" push -q --tls-verify=false "$("$@" images -q)" "docker://$to"', "sh"],
          task.name,
          ...buildah(task),
        ],
      },
    },
  },
  { name: "pull a layer of 2 GB", layersMib: [2048], direction: "pull", rounds: 1, programs: pull },
  { name: "pull and unpack a layer of 2 GB", layersMib: [2048], direction: "pull", rounds: 1, programs: unpack },
  { name: "push a layer of 2 GB", layersMib: [2048], direction: "push", rounds: 1, programs: push },
];

/** Runs those whose name has `only` in it, and prints their rows. Says what is missing where nothing can be measured. */
export async function benchTransfers(state: string, rounds: number, only: string): Promise<void> {
  const wanted = TRANSFERS.filter(({ name }) => name.includes(only));
  if (wanted.length === 0) return;
  if (!answers("docker-registry", "--version"))
    return void process.stdout.write("transfers are not measured: there is no docker-registry here\n");
  for (const group of Map.groupBy(wanted, ({ layersMib }) => layersMib.join()).values()) {
    const layout = join(state, "layout");
    await makeImage(layout, join(state, "made"), group[0]?.layersMib ?? []);
    for (const transfer of group)
      process.stdout.write(tableRows(transfer.name, await runAll(transfer, layout, state, rounds)));
    rmSync(layout, { recursive: true });
  }
}

async function runAll(
  transfer: Transfer,
  layout: string,
  state: string,
  rounds: number,
): Promise<ReadonlyMap<string, readonly Measured[]>> {
  const programs = Object.entries(transfer.programs).filter(([name]) => isHere(name));
  const results = new Map<string, readonly Measured[]>();
  for (let round = 0; round < Math.min(rounds, transfer.rounds); round++) {
    for (const [name, program] of programs)
      results.set(name, [...(results.get(name) ?? []), await runOnce(transfer, program, layout, state)]);
  }
  return results;
}

async function runOnce(
  { direction }: Transfer,
  { run, before }: Program,
  layout: string,
  state: string,
): Promise<Measured> {
  const folder = join(state, "task");
  mkdirSync(folder);
  await using registry = await startRegistry(join(state, "registry"));
  const task: Task = { name: `${registry.host}/bench:1`, layout, folder };
  try {
    if (direction === "pull") await quietly(push["tsbuild"]?.run({ ...task, folder: join(state, "made") }) ?? []);
    if (before !== undefined) await quietly(before(task));
    spawnSync("sync");
    return await measure(run(task), process.env);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(join(state, "made"), { recursive: true, force: true });
  }
}

/** An image of such layers, built by tsbuild. */
async function makeImage(layout: string, folder: string, layersMib: readonly number[]): Promise<void> {
  const context = join(folder, "context");
  mkdirSync(context, { recursive: true });
  for (const [place, mib] of layersMib.entries()) writeHalfNoise(join(context, `${place}`), mib);
  const lines = ["FROM scratch", ...layersMib.map((_, place) => `COPY ${place} /${place}`), 'CMD ["/0"]', ""];
  writeFileSync(join(context, "Dockerfile"), lines.join("\n"));
  const output = `type=oci,tar=false,compression-level=1,dest=${layout}`;
  await quietly([...TSBUILD, "--root", join(folder, "store"), "build", "-q", "-t", "bench:1", "-o", output, context]);
  rmSync(folder, { recursive: true });
}

function writeHalfNoise(path: string, mib: number): void {
  const text = Buffer.from("a line of text that compresses as text does, more or less\n".repeat(20_000)).subarray(
    0,
    MIB,
  );
  const file = openSync(path, "w");
  for (let at = 0; at < mib; at++) writeSync(file, at % 2 === 0 ? randomBytes(MIB) : text);
  closeSync(file);
}

async function quietly(command: readonly string[]): Promise<void> {
  await measure(command, process.env);
}

function answers(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore", timeout: 10_000 }).status === 0;
}

function isHere(name: string): boolean {
  if (name.startsWith("tsbuild")) return true;
  if (name === "docker") return answers("docker", "info");
  return name.split(", ").every((program) => answers(program, "--version"));
}

/** An empty registry on a free port; disposing it takes its folder away. */
async function startRegistry(folder: string): Promise<AsyncDisposable & { readonly host: string }> {
  const host = `127.0.0.1:${await freePort()}`;
  mkdirSync(folder);
  const storage = { filesystem: { rootdirectory: join(folder, "data") } };
  const config = {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage,
    http: { addr: host },
  };
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config)); // JSON is YAML
  const server = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: "ignore" });
  const exited = once(server, "exit");
  for (let isUp = false; !isUp;)
    isUp = await fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => sleep(50, false),
    );
  return {
    host,
    async [Symbol.asyncDispose]() {
      server.kill();
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
