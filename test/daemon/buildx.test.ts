// The daemon under the unmodified docker buildx: builds to every kind of output, with a RUN, a secret, a named context, an
// archive on standard input, a build that is cancelled, questions about a Dockerfile.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { PromiseWithChild } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import type { TestContext, TestOptions } from "node:test";
import { SolveRequest, SolveResponse } from "../../src/api/proto/control.ts";
import { connectTo, offerOf, openSession } from "../support/build-client.ts";
import { serveSmart } from "../source/git-servers.ts";
import { makeAuthority, makeCertificate, noOpenssl } from "../support/certificates.ts";
import { startMemoryRegistry } from "../support/memory-registry.ts";
import { dockerPlugin } from "../support/docker-clients.ts";
import { isWhole } from "../support/sample.ts";
import { Graph, mount } from "../support/graph.ts";
import type { ChildDaemon, Said } from "./child-daemon.ts";
import { childrenOf, contextOf, failureOf, pause, runClient, startDaemon, whyNoDaemon } from "./child-daemon.ts";

const buildx = dockerPlugin("docker-buildx");
const skip = buildx === undefined ? "needs docker buildx" : whyNoDaemon();
const NEVER = new AbortController().signal;

let daemon: ChildDaemon;

before(async () => {
  if (skip !== false) return;
  daemon = await startDaemon("buildx", tlsFlags);
  await client(["create", "--name", "tsbuild", "--driver", "remote", daemon.address]);
});
after(async () => {
  if (skip === false) await daemon[Symbol.asyncDispose]();
});

/** A second address, where only clients with a certificate of its authority come in. */
function tlsFlags(folder: string): readonly string[] {
  if (noOpenssl !== false) return [];
  const authority = makeAuthority(folder, "ca");
  makeCertificate(folder, "client", authority);
  const { certificatePath, keyPath } = makeCertificate(folder, "daemon", authority);
  const files = ["--tlscert", certificatePath, "--tlskey", keyPath, "--tlscacert", authority.certificatePath];
  return ["--addr", "tcp://127.0.0.1:0", ...files];
}

test("buildx pushes, and lends its SSH agent, over TLS with a certificate", { skip: skip || noOpenssl }, async (t) => {
  const { folder } = daemon;
  const [, address = ""] = /"address":"(tcp:[^"]*)"/.exec(daemon.log()) ?? [];
  const files = `cacert=${folder}/ca.crt,cert=${folder}/client.crt,key=${folder}/client.key,servername=localhost`;
  await client(["create", "--name", "tls", "--driver", "remote", "--driver-opt", files, address]);
  const agent = createServer((socket) => socket.destroy()).listen(join(folder, "agent.sock"));
  t.after(() => agent.close());
  await using registry = await startMemoryRegistry();
  const context = await contextOf(folder, "tls", {
    Dockerfile: 'FROM fixture:busybox\nRUN --mount=type=ssh,required [ -S "$SSH_AUTH_SOCK" ] && echo lent > /lent\n',
  });
  const ssh = `default=${folder}/agent.sock`;
  // buildctl says a mode whatever the type is.
  const inline = ["--cache-to", "type=inline,mode=min"];
  await client([
    "build",
    "--builder",
    "tls",
    "--ssh",
    ssh,
    ...inline,
    "-t",
    `${registry.host}/a/b:1`,
    "--push",
    context,
  ]);
  assert.deepEqual([...(registry.manifests.get("a/b")?.keys() ?? [])].includes("1"), true);
});

test("buildx builds a RUN with a secret into a folder, an archive and a tar", { skip }, async () => {
  const context = await contextOf(daemon.folder, "outputs", {
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
  const out = join(daemon.folder, "out");
  const { stderr } = await client(["build", ...flags, "-o", out, context]);
  assert.match(stderr, /\[internal\] load build definition from Dockerfile/);
  assert.match(stderr, /\[stage-0 3\/3\] RUN/);
  assert.deepEqual((await readdir(out)).toSorted(), ["made", "n", "secret"]);
  assert.equal(await readFile(join(out, "secret"), "utf8"), "HIDDEN");

  const metadata = join(daemon.folder, "metadata.json");
  const archive = join(daemon.folder, "app.tar");
  const again = await client([
    ...["build", ...flags, "-t", "app:1", "--metadata-file", metadata],
    ...["-o", `type=oci,dest=${archive}`, "-o", `type=tar,dest=${daemon.folder}/files.tar`, context],
  ]);
  assert.match(again.stderr, /RUN .*\n.*CACHED/);
  const told = JSON.parse(await readFile(metadata, "utf8"));
  assert.match(told["containerimage.digest"], /^sha256:[0-9a-f]{64}$/);
  assert.equal(told["buildx.build.provenance"].buildType, "https://mobyproject.org/buildkit@v1");
  assert.equal(told["image.name"], "docker.io/library/app:1");
  assert.match((await runClient("tar", ["tf", archive], {})).stdout, /^oci-layout$/m);
  assert.match((await runClient("tar", ["tf", join(daemon.folder, "files.tar")], {})).stdout, /^made$/m);
});

test("a layout and a cache in folders of buildx's are written and read there", { skip }, async () => {
  const context = await contextOf(daemon.folder, "folders", {
    Dockerfile: "FROM scratch\nCOPY a /a\nCOPY b /b\n",
    a: "A",
    b: "B",
    junk: "",
  });
  const [layout, cache, out] = ["layout", "cache", "from-layout"].map((name) => join(daemon.folder, name));
  const flags = [
    "-t",
    "app:1",
    "-o",
    `type=oci,tar=false,dest=${layout}`,
    "--cache-to",
    `type=local,dest=${cache},mode=max`,
  ];
  await client(["build", ...flags, context]);
  const { manifests } = JSON.parse(await readFile(join(layout ?? "", "index.json"), "utf8"));
  assert.equal(manifests[0].annotations["org.opencontainers.image.ref.name"], "1");
  const next = await contextOf(daemon.folder, "on-layout", { Dockerfile: "FROM base\nCOPY --from=base /a /c\n" });
  await client(["build", "--build-context", `base=oci-layout://${layout}:1`, "-o", out ?? "", next]);
  assert.equal(await readFile(join(out ?? "", "c"), "utf8"), "A");
  await client(["prune", "-af", "--max-used-space", "1"]);
  const again = await client(["build", "--cache-from", `type=local,src=${cache}`, "-o", "type=cacheonly", context]);
  assert.match(again.stderr, /COPY b \/b\n.*CACHED/);
});

test("a target of buildx's bake is built on another one, and each step is told of once", { skip }, async () => {
  const context = await contextOf(daemon.folder, "linked", {
    "docker-bake.hcl":
      'target "base" {\n  dockerfile-inline = "FROM fixture:busybox\\nRUN echo base > /base\\nENV BASE=1"\n}\n' +
      'target "default" {\n  contexts = { on = "target:base" }\n  output = ["linked"]\n' +
      '  dockerfile-inline = "FROM on\\nRUN cp /base /from-$BASE"\n}\n',
  });
  const own = { BUILDX_CONFIG: join(daemon.folder, "buildx"), BUILDX_BUILDER: "tsbuild" };
  const words = ["sh", context, buildx ?? "", "bake", "--progress", "rawjson"];
  const { stderr } = await runClient("sh", ["-c", 'cd "$1" && shift && exec "$@"', ...words], own);
  assert.equal(await readFile(join(context, "linked/from-1"), "utf8"), "base\n");
  // Each is shown once, under its own target.
  const loads =
    /"digest":"([^"]*)","name":"(\S+) internal\] load build definition[^"]*","started":"[^"]*","completed"/g;
  const told = [...stderr.matchAll(loads)].map(([, vertex, name]) => [name, vertex] as const);
  assert.deepEqual(new Set(told.map(([name]) => name)), new Set(["[base", "[default"]));
  assert.deepEqual([told.length, new Set(told.map(([, vertex]) => vertex)).size], [2, 2]);
  // Questions about a target that stands on another one, and has an output.
  const checked = await runClient("sh", ["-c", 'cd "$1" && shift && exec "$@"', ...words, "--check"], own);
  assert.match(checked.stdout, /no warnings found/);
});

testWhole("buildx's bake builds a project that lies in a repository", { skip }, async (t) => {
  const project = await contextOf(daemon.folder, "project", {
    "docker-bake.hcl":
      'target "base" {\n  dockerfile = "lower/Dockerfile"\n}\n' +
      'target "default" {\n  context = "sub"\n  contexts = { on = "target:base" }\n  output = ["baked"]\n}\n',
    "lower/Dockerfile": "FROM fixture:busybox\nCOPY *.hcl /base\n",
    "sub/Dockerfile": "FROM on\nCOPY a /\nRUN grep -q target /base && mv a b\n",
    "sub/a": "from git",
  });
  const git = (...args: readonly string[]): PromiseWithChild<Said> =>
    runClient("git", ["-C", project, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {});
  for (const args of [
    ["init", "-q"],
    ["add", "-A"],
    ["commit", "-qm", "one"],
  ])
    await git(...args);
  await git("clone", "-q", "--bare", ".", join(daemon.folder, "served/project.git"));
  const server = await serveSmart(t, join(daemon.folder, "served"));
  const own = { BUILDX_CONFIG: join(daemon.folder, "buildx"), BUILDX_BUILDER: "tsbuild" };
  const args = ["bake", "--progress", "rawjson", `${server.url}/project.git`];
  const { stderr } = await runClient(
    "sh",
    ["-c", 'cd "$1" && shift && exec "$@"', "sh", project, buildx ?? "", ...args],
    own,
  );
  assert.equal(await readFile(join(project, "baked/b"), "utf8"), "from git");
  // However often the client looks into it.
  assert.equal(
    stderr.match(/"name":"\[internal\] load git source [^"]*","started":"[^"]*","completed"/g)?.length,
    1,
    stderr,
  );
});

test("buildx takes the context on standard input", { skip }, async () => {
  const context = await contextOf(daemon.folder, "stdin", { Dockerfile: "FROM scratch\nCOPY a /\n", a: "piped" });
  const out = join(daemon.folder, "piped");
  const tar = spawnSync("tar", ["cf", "-", "-C", context, "."]);
  const child = client(["build", "-o", out, "-"]);
  child.child.stdin?.end(tar.stdout);
  await child;
  assert.equal(await readFile(join(out, "a"), "utf8"), "piped");
});

test("buildx shows the line that fails, and ends as a build that failed", { skip }, async () => {
  const context = await contextOf(daemon.folder, "fails", { Dockerfile: "FROM fixture:busybox\nRUN exit 7\n" });
  const { code, stderr } = await failureOf(client(["build", context]));
  assert.equal(code, 1);
  assert.match(stderr, />>> RUN exit 7/);
  assert.match(stderr, /process "\/bin\/sh -c exit 7" did not complete successfully: exit code: 7/);
  // Also when it is asked about afterwards.
  assert.match((await client(["history", "inspect"])).stdout, />>> RUN exit 7/);
});

test("buildx asks about a Dockerfile without building it", { skip }, async () => {
  const context = await contextOf(daemon.folder, "asks", { Dockerfile: "FROM scratch as one\nCOPY Dockerfile /\n" });
  assert.match((await failureOf(client(["build", "--check", context]))).stdout, /FromAsCasing/);
  assert.match((await client(["build", "--call", "targets", context])).stdout, /^one/m);
});

test("a build that buildx cancels leaves no process", { skip }, async () => {
  const context = await contextOf(daemon.folder, "cancel", {
    Dockerfile: "FROM fixture:busybox\nRUN echo begun; sleep 1000\n",
  });
  const building = client(["build", context]);
  const { child } = building;
  let said = "";
  child.stderr?.on("data", (chunk: string | Buffer) => (said += chunk.toString()));
  while (!/begun\n/.test(said)) await pause();
  child.kill("SIGINT");
  await assert.rejects(building);
  while (!daemon.log().includes("context canceled")) await pause();
  assert.deepEqual(childrenOf(daemon.pid), []);
});

test("a graph's program cannot write to a root that is read-only, and can write to its mounts", { skip }, async () => {
  const other = await connectTo(daemon.socket);
  const run = async (ref: string, script: string): Promise<string> => {
    const graph = new Graph();
    const base = graph.source("docker-image://fixture:busybox");
    const mounts = [mount("/", { input: 0, readonly: true }), mount("/out", { output: 0 })];
    const made = graph.exec(["/bin/sh", "-c", script], mounts, [base]);
    const offer = offerOf({});
    await using _session = openSession(other, ref, offer);
    const request = {
      ref,
      session: ref,
      definition: graph.closed(made),
      exporters: [{ type: "tar", attrs: new Map() }],
    };
    await other.unary("/moby.buildkit.v1.Control/Solve", [SolveRequest, SolveResponse], request, NEVER);
    return offer.outputs[0]?.toString("latin1") ?? "";
  };
  try {
    await assert.rejects(run("into the root", "echo x > /x"), /exit code: 1/);
    assert.match(await run("into a mount", "! echo x > /x && echo found > /out/y"), /found/);
  } finally {
    other[Symbol.dispose]();
  }
});

function client(args: readonly string[]): PromiseWithChild<Said> {
  const { folder } = daemon;
  const own = { BUILDX_CONFIG: join(folder, "buildx"), BUILDX_BUILDER: "tsbuild", BUILDKIT_PROGRESS: "plain" };
  return runClient(buildx ?? "", args, own);
}

function testWhole(name: string, options: TestOptions, body: (t: TestContext) => Promise<void>): void {
  if (isWhole) void test(name, options, body);
}
