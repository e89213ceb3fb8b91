// The daemon under the unmodified docker command line: both of its builders, compose, and what it asks about images.

import assert from "node:assert/strict";
import type { PromiseWithChild } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { request } from "node:http";
import { copyFile, mkdir, readFile, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import type { TestOptions } from "node:test";
import { DOCKER, dockerPlugin } from "../support/docker-clients.ts";
import { isWhole } from "../support/sample.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";
import type { ChildDaemon, Said } from "./child-daemon.ts";
import { childrenOf, contextOf, failureOf, pause, runClient, startDaemon, whyNoDaemon } from "./child-daemon.ts";

const PLUGINS = ["docker-buildx", "docker-compose"];
const isMissing = DOCKER === undefined || PLUGINS.some((name) => dockerPlugin(name) === undefined);
const skip = isMissing ? "needs docker, buildx and compose" : whyNoDaemon();
const CLASSIC = { DOCKER_BUILDKIT: "0" };
const LOGIN = { username: "somebody", password: "s3cret word" };

let daemon: ChildDaemon;
let config = "";

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon("docker");
  config = join(daemon.folder, "config");
  await mkdir(join(config, "cli-plugins"), { recursive: true });
  for (const name of PLUGINS) await symlink(dockerPlugin(name) ?? "", join(config, "cli-plugins", name));
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

test("docker finds a daemon, and hears what it does not offer", { skip }, async () => {
  assert.match((await docker(["version", "--format", "{{.Server.APIVersion}}"])).stdout, /^1\.\d+$/m);
  assert.match((await docker(["info", "--format", "{{.OSType}} {{.Driver}}"])).stdout, /^linux tsbuild$/m);
  const { stderr } = await failureOf(docker(["run", "x"]));
  assert.match(stderr, /tsbuild builds and keeps images: it does not offer docker's containers/);
});

test("the old builder builds from what the client sends", { skip }, async () => {
  const base = await contextOf(daemon.folder, "onbuild", {
    Dockerfile: "FROM fixture:busybox\nONBUILD ARG WHO\nONBUILD COPY . /app/\n",
  });
  await docker(["build", "-q", "-t", "base:onbuild", base], CLASSIC);
  const context = await contextOf(daemon.folder, "classic", {
    Dockerfile: 'FROM base:onbuild\nRUN echo "made for $WHO" | tee /made\n',
    ".dockerignore": "*.log\n",
    "kept.txt": "kept",
    "left.log": "left out",
  });
  const ids = join(daemon.folder, "classic.iid");
  const flags = ["-t", "app:1", "-t", "app:latest", "--build-arg", "WHO=you", "--label", "a=b", "--iidfile", ids];
  const { stdout } = await docker(["build", ...flags, context], CLASSIC);
  assert.match(stdout, /^Step \d\/\d : RUN echo "made for you" \| tee \/made$/m);
  assert.match(stdout, /^made for you$/m);
  assert.match(stdout, /^Successfully built [0-9a-f]{12}\nSuccessfully tagged app:1\nSuccessfully tagged app:latest$/m);
  const id = await readFile(ids, "utf8");
  const { stdout: seen } = await docker(["image", "inspect", "--format", "{{.Id}} {{json .Config.Labels}}", "app:1"]);
  assert.equal(seen, `${id} {"a":"b"}\n`);
  assert.deepEqual(await filesOf("app:1", "app/"), [".dockerignore", "Dockerfile", "kept.txt"]);
  assert.match((await docker(["build", ...flags, context], CLASSIC)).stdout, /---> Using cache/);
});

testWhole("the old builder ends with the exit code of the step that failed, and says which", { skip }, async () => {
  const context = await contextOf(daemon.folder, "classic-fails", {
    Dockerfile: "FROM fixture:busybox\nRUN echo told; exit 7\n",
  });
  const { code, stdout, stderr } = await failureOf(docker(["build", context], CLASSIC));
  assert.equal(code, 7);
  assert.match(stdout, /^told$/m);
  assert.match(stderr, /echo told; exit 7" did not complete successfully: exit code: 7/);
  const wrong = await contextOf(daemon.folder, "classic-wrong", { Dockerfile: "FORM x\n" });
  assert.match((await failureOf(docker(["build", wrong], CLASSIC))).stderr, /unknown instruction: FORM/);
});

test("docker build goes through BuildKit's API, with secrets", { skip }, async () => {
  const context = await contextOf(daemon.folder, "buildkit", {
    Dockerfile:
      "FROM fixture:busybox\nRUN --mount=type=secret,id=s tr a-z A-Z </run/secrets/s >/secret\nRUN grep gateway /etc/hosts\n",
    secret: "hidden",
  });
  const ids = join(daemon.folder, "buildkit.iid");
  const flags = [
    "-t",
    "app:2",
    "--add-host",
    "gateway:host-gateway",
    "--secret",
    `id=s,src=${context}/secret`,
    "--iidfile",
    ids,
  ];
  const { stderr } = await docker(["build", ...flags, context]);
  assert.match(stderr, /\[stage-0 2\/3\] RUN --mount=type=secret/);
  assert.match(stderr, /^#\d+ [\d.]+ [\d.]+\s+gateway$/m);
  const { stdout } = await docker(["images", "--no-trunc", "--quiet", "app:2"]);
  const id = await readFile(ids, "utf8");
  assert.equal(stdout.trim(), id);
  // Its provenance is no image.
  assert.equal((await docker(["rmi", "app:2"])).stdout, `Untagged: app:2\nDeleted: ${id}\n`);
  const wrong = await contextOf(daemon.folder, "buildkit-fails", { Dockerfile: "FROM fixture:busybox\nRUN exit 7\n" });
  const failed = await failureOf(docker(["build", wrong]));
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /did not complete successfully: exit code: 7/);
});

testWhole("compose builds its services", { skip }, async () => {
  const project = await contextOf(daemon.folder, "compose", {
    "compose.yaml":
      "services:\n  one:\n    image: svc/one:1\n    build: ./one\n  two:\n    image: svc/two:1\n    build:\n      context: two\n      args: { N: '2' }\n",
    "one/Dockerfile": "FROM fixture:busybox\nRUN echo one > /name\n",
    "two/Dockerfile": "FROM fixture:busybox\nARG N\nRUN echo $N > /name\n",
  });
  await docker(["compose", "--project-directory", project, "build"]);
  await docker(["compose", "--project-directory", project, "build"], { COMPOSE_BAKE: "false" });
  const { stdout } = await docker(["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=svc/*"]);
  assert.deepEqual(stdout.trim().split("\n").toSorted(), ["svc/one:1", "svc/two:1"]);
});

test("images are tagged, saved, taken away, loaded and told of", { skip }, async () => {
  await docker(["tag", "fixture:busybox", "other:tag"]);
  const archive = join(daemon.folder, "saved.tar");
  const { stdout: id } = await docker(["image", "inspect", "--format", "{{.Id}}", "other:tag"]);
  await docker(["save", "-o", archive, "other:tag"]);
  assert.match((await docker(["rmi", "other:tag"])).stdout, /^Untagged: other:tag$/m);
  assert.match((await failureOf(docker(["image", "inspect", "other:tag"]))).stderr, /No such image: other:tag/);
  assert.match((await failureOf(docker(["save", "-o", join(daemon.folder, "no"), "other:tag"]))).stderr, /other:tag/);
  await assert.rejects(stat(join(daemon.folder, "no")));
  assert.match((await docker(["load", "-i", archive])).stdout, /Loaded image: other:tag/);
  assert.equal((await docker(["image", "inspect", "--format", "{{.Id}}", "other:tag"])).stdout, id);
  assert.match((await docker(["history", "--no-trunc", "other:tag"])).stdout, /CMD \["sh"\]/);
  assert.match((await docker(["system", "df"])).stdout, /^Build Cache/m);
  assert.match((await docker(["builder", "prune", "--force", "--all"])).stdout, /Total/);
  assert.match((await docker(["system", "prune", "--force"])).stdout, /Total reclaimed space/);
  await copyFile("/dev/null", archive);
  assert.match((await failureOf(docker(["load", "-i", archive]))).stderr, /archive/i);
});

test("a push goes to its registry with the client's login, and comes back", { skip: skip || noRegistry }, async () => {
  await using registry = await startRegistry(LOGIN);
  const name = `${registry.host}/some/app:1`;
  await docker(["tag", "fixture:busybox", name]);
  assert.match((await failureOf(docker(["push", name]))).stderr, /wants a login/);
  const login = ["login", "--username", LOGIN.username, registry.host, "--password"];
  assert.match((await failureOf(docker([...login, "wrong"]))).stderr, /refuses the credentials of "somebody"/);
  await docker([...login, LOGIN.password]);
  const pushed = (await docker(["push", name])).stdout;
  assert.match(pushed, /^[0-9a-f]{12}: Pushed$[^]*^1: digest: sha256:[0-9a-f]{64} size: \d+$/m);
  const again = (await docker(["push", name])).stdout;
  assert.match(again, /^[0-9a-f]{12}: Layer already exists$/m);
  assert.doesNotMatch(again, /: Pushed/);
  const auth = Buffer.from(JSON.stringify(LOGIN)).toString("base64url");
  const there = JSON.parse(await get(`/distribution/${name}/json`, { "X-Registry-Auth": auth })) as {
    readonly Descriptor: { readonly digest: string };
  };
  const { stdout: digests } = await docker(["image", "inspect", "--format", "{{json .RepoDigests}}", name]);
  assert.ok(digests.includes(there.Descriptor.digest), digests);
  await docker(["rmi", name]);
  assert.match((await docker(["pull", name])).stdout, /Status: Downloaded newer image/);
  const all = await docker(["pull", "--all-tags", `${registry.host}/some/app`]);
  assert.match(all.stdout, /^1: Pulling from some\/app\n[^]*^Status: Image is up to date for \S+\/some\/app$/m);
  const { stderr } = await failureOf(docker(["pull", `${registry.host}/some/app:2`]));
  assert.match(stderr, /manifest for \S+some\/app:2 not found: manifest unknown/);
  assert.match((await docker(["inspect", "--format", "{{.RepoTags}}", name])).stdout, /some\/app:1/);
  assert.doesNotMatch(daemon.log(), /s3cret/);
});

testWhole("a client that goes in the middle of a build leaves nothing", { skip }, async () => {
  const context = await contextOf(daemon.folder, "cancel", {
    Dockerfile: "FROM fixture:busybox\nRUN echo begun; sleep 1000\n",
  });
  const building = docker(["build", context], CLASSIC);
  let said = "";
  building.child.stdout?.on("data", (chunk: string | Buffer) => (said += chunk.toString()));
  while (!/begun\n/.test(said)) await pause();
  building.child.kill("SIGKILL");
  await assert.rejects(building);
  while (childrenOf(daemon.pid).length > 0) await pause();
});

/** A test that only the run that tries everything has. */
function testWhole(name: string, options: TestOptions, body: () => Promise<void>): void {
  if (isWhole) void test(name, options, body);
}

function docker(args: readonly string[], environment: NodeJS.ProcessEnv = {}): PromiseWithChild<Said> {
  const own = { DOCKER_HOST: daemon.address, DOCKER_CONFIG: config, BUILDKIT_PROGRESS: "plain", DOCKER_CONTEXT: "" };
  return runClient(DOCKER ?? "", args, { ...own, ...environment });
}

/** What the daemon answers when it is asked without docker's command line. */
async function get(path: string, headers: OutgoingHttpHeaders): Promise<string> {
  const asked = request({ socketPath: daemon.socket, path, headers, agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  return await text(response);
}

/** Names below a folder of an image, as a tar of it has them. */
async function filesOf(image: string, folder: string): Promise<readonly string[]> {
  const context = await contextOf(daemon.folder, `files-${folder.replaceAll("/", "-")}`, {
    Dockerfile: `FROM ${image}\n`,
  });
  const out = join(daemon.folder, "files");
  await docker(["build", "-o", `type=tar,dest=${out}.tar`, context]);
  const { stdout } = await runClient("tar", ["tf", `${out}.tar`], {});
  return stdout
    .split("\n")
    .filter((path) => path.startsWith(folder) && path !== folder)
    .map((path) => path.slice(folder.length))
    .toSorted();
}
