// The daemon under the unmodified docker buildx: builds to every kind of output, with a RUN, a secret, a named context, an
// archive on standard input, a build that is cancelled, questions about a Dockerfile.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import type { ChildProcess, PromiseWithChild } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { Base } from "../support/busybox.ts";
import { buildBase, whyNoBusybox } from "../support/busybox.ts";
import { dockerPlugin } from "../support/docker-clients.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const run = promisify(execFile);
const buildx = dockerPlugin("docker-buildx");
const skip = buildx === undefined ? "needs docker buildx" : (whyNoBusybox() ?? sandboxMissing() ?? false);

let folder = "";
let daemon: ChildProcess;
let base: Base;
let log = "";

before(async () => {
  if (skip !== false) return;
  folder = await mkdtemp(join(tmpdir(), "tsbuild-buildx-"));
  base = await buildBase(folder);
  const address = `unix://${join(folder, "d.sock")}`;
  daemon = spawn(process.execPath, [MAIN, "daemon", "--addr", address, "--root", base.storeRoot], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  daemon.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
  while (!log.includes("listening") && daemon.exitCode === null) await pause();
  await client(["create", "--name", "tsbuild", "--driver", "remote", address]);
});
after(async () => {
  if (skip !== false) return;
  const ended = once(daemon, "exit");
  daemon.kill("SIGTERM");
  await ended;
  await rm(folder, { recursive: true });
});

test("buildx builds a RUN with a secret into a folder, an archive and a tar", { skip }, async () => {
  const context = await contextOf("outputs", {
    Dockerfile: `FROM fixture:busybox
COPY --from=named n /n
RUN --mount=type=secret,id=s,required tr a-z A-Z < /run/secrets/s > /secret && echo built > /made
FROM scratch
COPY --from=0 /secret /made /n /
`,
    secret: "hidden",
    "named/n": "named",
  });
  const flags = ["--secret", `id=s,src=${context}/secret`, "--build-context", `named=${context}/named`];
  const out = join(folder, "out");
  const { stderr } = await client(["build", ...flags, "-o", out, context]);
  assert.match(stderr, /\[internal\] load build definition from Dockerfile/);
  assert.match(stderr, /\[stage-0 3\/3\] RUN/);
  assert.deepEqual((await readdir(out)).toSorted(), ["made", "n", "secret"]);
  assert.equal(await readFile(join(out, "secret"), "utf8"), "HIDDEN");

  const metadata = join(folder, "metadata.json");
  const archive = join(folder, "app.tar");
  const again = await client([
    ...["build", ...flags, "-t", "app:1", "--metadata-file", metadata],
    ...["-o", `type=oci,dest=${archive}`, "-o", `type=tar,dest=${folder}/files.tar`, context],
  ]);
  assert.match(again.stderr, /RUN .*\n.*CACHED/);
  const told = JSON.parse(await readFile(metadata, "utf8"));
  assert.match(told["containerimage.digest"], /^sha256:[0-9a-f]{64}$/);
  assert.equal(told["image.name"], "docker.io/library/app:1");
  assert.match((await run("tar", ["tf", archive])).stdout, /^oci-layout$/m);
  assert.match((await run("tar", ["tf", join(folder, "files.tar")])).stdout, /^made$/m);
});

test("buildx takes the context on standard input", { skip }, async () => {
  const context = await contextOf("stdin", { Dockerfile: "FROM scratch\nCOPY a /\n", a: "piped" });
  const out = join(folder, "piped");
  const tar = spawnSync("tar", ["cf", "-", "-C", context, "."]);
  const child = client(["build", "-o", out, "-"]);
  child.child.stdin?.end(tar.stdout);
  await child;
  assert.equal(await readFile(join(out, "a"), "utf8"), "piped");
});

test("buildx shows the line that fails, and ends as a build that failed", { skip }, async () => {
  const context = await contextOf("fails", { Dockerfile: "FROM fixture:busybox\nRUN exit 7\n" });
  const { code, stderr } = await failure(["build", context]);
  assert.equal(code, 1);
  assert.match(stderr, />>> RUN exit 7/);
  assert.match(stderr, /process "\/bin\/sh -c exit 7" did not complete successfully: exit code: 7/);
});

test("buildx asks about a Dockerfile without building it", { skip }, async () => {
  const context = await contextOf("asks", { Dockerfile: "FROM scratch as one\nCOPY Dockerfile /\n" });
  assert.match((await failure(["build", "--check", context])).stdout, /FromAsCasing/);
  assert.match((await client(["build", "--call", "targets", context])).stdout, /^one/m);
});

test("a build that buildx cancels leaves no process", { skip }, async () => {
  const context = await contextOf("cancel", { Dockerfile: "FROM fixture:busybox\nRUN echo begun; sleep 1000\n" });
  const building = client(["build", context]);
  const { child } = building;
  let said = "";
  child.stderr?.on("data", (chunk: string | Buffer) => (said += chunk.toString()));
  while (!/begun\n/.test(said)) await pause();
  child.kill("SIGINT");
  await assert.rejects(building);
  while (!log.includes("context canceled")) await pause();
  assert.deepEqual(childrenOf(daemon.pid), []);
});

function client(args: readonly string[]): PromiseWithChild<{ stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    BUILDX_CONFIG: join(folder, "buildx"),
    BUILDX_BUILDER: "tsbuild",
    BUILDKIT_PROGRESS: "plain",
  };
  return run(buildx ?? "", args, { env, encoding: "utf8" });
}

/** What a client says that ends with an error. */
async function failure(
  args: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  try {
    await client(args);
  } catch (error) {
    return error as Awaited<ReturnType<typeof failure>>; // what execFile rejects with
  }
  return assert.fail("the client did not fail");
}

async function contextOf(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const context = join(folder, "contexts", name);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(context, path, ".."), { recursive: true });
    await writeFile(join(context, path), text);
  }
  return context;
}

/** Programs that a daemon has started and that still run. */
function childrenOf(pid: number | undefined): readonly string[] {
  const { stdout } = spawnSync("ps", ["--no-headers", "-o", "args", "--ppid", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "");
}

function sandboxMissing(): string | undefined {
  return spawnSync(process.execPath, [MAIN, "doctor"]).status === 0 ? undefined : "no sandbox for RUN here";
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}
