import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ErrorCode } from "../../builder/core/errors.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { BuildRequest } from "../../builder/request.ts";
import { BUILD_FLAGS } from "../../src/cli/flags/build-flags.ts";
import { parseArguments } from "../../src/cli/flags.ts";
import type { Outputs } from "../../src/commands/build/outputs.ts";
import { readOutputs } from "../../src/commands/build/outputs.ts";
import { readRequest } from "../../src/commands/build/request.ts";
import type { Environment } from "../../src/config/environment.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-test-"));
});
after(() => rm(folder, { recursive: true }));

async function outputsOf(words: readonly string[], isTerminal = false): Promise<Outputs> {
  return await readOutputs(parseArguments(BUILD_FLAGS, words), { isTerminal, write: () => Promise.resolve() });
}

async function requestOf(
  words: readonly string[],
  environment: Environment = {},
  context = folder,
): Promise<BuildRequest> {
  const args = parseArguments(BUILD_FLAGS, words);
  return await readRequest({
    args,
    context,
    root: "/r",
    outputs: await outputsOf(words),
    environment,
    openStdin: () => async function* () {},
    events: () => {},
  });
}

async function refuses(words: readonly string[], code: ErrorCode, pattern: RegExp, context?: string): Promise<void> {
  await assert.rejects(
    async () => await requestOf(words, {}, context),
    (error) => error instanceof BuildError && error.code === code && pattern.test(error.message),
  );
}

test("without an output the image goes to the store, under the full form of its tags", async () => {
  const [only] = (await outputsOf(["-t", "foo", "-t", "localhost:5000/a/b:1"])).exports;
  assert.ok(only?.type === "image");
  assert.deepEqual(only.image.names, ["docker.io/library/foo:latest", "localhost:5000/a/b:1"]);
  assert.deepEqual(
    [only.push, only.store, only.image.mediaTypes, only.image.compression],
    [false, true, "oci", "gzip"],
  );
});

test("--push pushes the image output that is there, or adds one", async () => {
  const pushes = async (words: string[]): Promise<boolean[]> =>
    (await outputsOf(["-t", "foo", "--push", ...words])).exports.map((spec) => spec.type === "image" && spec.push);
  assert.deepEqual(await pushes([]), [true]);
  assert.deepEqual(await pushes(["-o", "type=image"]), [true]);
  assert.deepEqual(await pushes(["-o", "out"]), [false, true]);
});

test("archives: - and nothing mean standard output, which a terminal is not", async () => {
  const [only] = (await outputsOf(["-o", "-"])).exports;
  assert.ok(only?.type === "tar" && only.destination.kind === "stream");
  assert.ok((await outputsOf(["-o", "type=oci"])).usesStdout);
  await assert.rejects(() => outputsOf(["-o", "type=oci"], true), /refusing to write to console/);
  await assert.rejects(() => outputsOf(["-o", "-", "-o", "type=oci"]), /only one output/);
  const [archive, layout] = (await outputsOf(["-o", "type=oci,dest=x.tar", "-o", "type=oci,dest=d,tar=false"])).exports;
  assert.ok(archive?.type === "oci" && archive.destination.kind === "file");
  assert.ok(layout?.type === "oci" && layout.destination.kind === "directory");
});

test("docker's media types are for type=docker, unless what is asked for needs OCI's", async () => {
  const types = async (words: string[]): Promise<string[]> =>
    (await outputsOf(words)).exports.map((spec) => ("image" in spec ? spec.image.mediaTypes : ""));
  assert.deepEqual(await types(["-o", "type=docker,dest=x"]), ["docker"]);
  assert.deepEqual(await types(["-o", "type=docker,dest=x,compression=zstd"]), ["oci"]);
  assert.deepEqual(await types(["-o", "type=docker,dest=x", "--annotation", "a=b"]), ["oci"]);
  await assert.rejects(
    () => outputsOf(["-o", "type=image,oci-mediatypes=false", "--annotation", "a=b"]),
    /annotations needs OCI/,
  );
});

test("outputs that cannot be are refused", async () => {
  await assert.rejects(() => outputsOf(["--push"]), /tag is needed when pushing/);
  await assert.rejects(() => outputsOf(["-t", "UPPER"]), /invalid tag/);
  await assert.rejects(() => outputsOf(["-t", `x@sha256:${"0".repeat(64)}`]), /has a digest/);
  await assert.rejects(() => outputsOf(["-o", "type=local,dest=out,mode=delete"]), /mode=delete/);
  await assert.doesNotReject(outputsOf(["-o", "type=local,dest=out,mode=delete", "--allow", "buildx.local.delete"]));
});

test("a request holds what the flags and the environment say", async () => {
  const request = await requestOf(
    [
      "--build-arg",
      "A=1",
      "--build-arg",
      "B",
      "--build-arg",
      "C",
      "--label",
      "l",
      "--target",
      "t",
      "--platform",
      "linux/arm64,linux/amd64",
      "--network",
      "host",
      "--shm-size",
      "1m",
      "--jobs",
      "3",
      "--no-cache-filter",
      "x,y",
      "--add-host",
      "h:1.2.3.4",
    ],
    { B: "b", SOURCE_DATE_EPOCH: "17", DOCKER_DEFAULT_PLATFORM: "linux/386" },
  );
  assert.deepEqual(Object.fromEntries(request.buildArgs), { A: "1", B: "b", SOURCE_DATE_EPOCH: "17" });
  assert.equal(request.epochSeconds, 17);
  assert.deepEqual(
    request.platforms.map(({ architecture }) => architecture),
    ["arm64", "amd64"],
  );
  assert.deepEqual(request.noCache, ["x", "y"]);
  assert.deepEqual(
    [request.network, request.allow, request.shmSizeBytes, request.jobs],
    ["host", ["network.host"], 1048576, 3],
  );
  assert.deepEqual(request.context, { kind: "directory", path: folder });
});

test("the epoch: a build argument comes before the environment, --reproducible alone is 0", async () => {
  assert.equal(
    (await requestOf(["--build-arg", "SOURCE_DATE_EPOCH=5"], { SOURCE_DATE_EPOCH: "6" })).epochSeconds,
    undefined,
  );
  assert.equal((await requestOf(["--reproducible"])).epochSeconds, 0);
  assert.equal((await requestOf([])).epochSeconds, undefined);
  // A name is for the conversion to understand.
  const named = await requestOf([], { SOURCE_DATE_EPOCH: "context" });
  assert.deepEqual([named.epochSeconds, named.buildArgs.get("SOURCE_DATE_EPOCH")], [undefined, "context"]);
  await assert.rejects(requestOf([], { SOURCE_DATE_EPOCH: "-1" }), /SOURCE_DATE_EPOCH/);
});

test("the default platform comes from the environment", async () => {
  assert.deepEqual((await requestOf([], { DOCKER_DEFAULT_PLATFORM: "linux/arm/v7" })).platforms, [
    { os: "linux", architecture: "arm", variant: "v7" },
  ]);
});

test("contexts are folders, standard input, repositories and files on the web", async () => {
  const kindOf = async (context: string): Promise<string> => (await requestOf([], {}, context)).context.kind;
  assert.equal(await kindOf("-"), "stream");
  assert.equal(await kindOf("https://x.example/a.tar.gz"), "http");
  assert.equal(await kindOf("https://x.example/a.git#main:sub"), "git");
  assert.equal(await kindOf("git@x.example:a/b.git"), "git");
  assert.equal(await kindOf("github.com/a/b"), "git");
  await refuses([], "CONTEXT", /path ".*none" not found/, join(folder, "none"));
  const file = join(folder, "file");
  await writeFile(file, "");
  await refuses([], "CONTEXT", /not found/, file);
});

test("named contexts have docker's kinds and names", async () => {
  const layout = `oci-layout://${folder}:tag@sha256:${"a".repeat(64)}`;
  const { namedContexts } = await requestOf([
    "--build-context",
    `docker.io/library/alpine:latest=${folder}`,
    "--build-context",
    "b=docker-image://busybox",
    "--build-context",
    `c=${layout}`,
  ]);
  assert.deepEqual(Object.fromEntries(namedContexts), {
    alpine: { kind: "directory", path: folder },
    b: { kind: "image", reference: "busybox" },
    c: {
      kind: "location",
      location: { transport: "oci", path: folder, ref: "tag", digest: `sha256:${"a".repeat(64)}` },
    },
  });
  await refuses(["--build-context", "x=target:y"], "UNSUPPORTED", /target:y/);
  await refuses(["--build-context", "x"], "USAGE", /expected key=value/);
});

test("what makes no sense together is refused", async () => {
  await refuses(["-f", "-"], "USAGE", /can't use stdin for both/, "-");
  await refuses(["--no-cache", "--no-cache-filter", "x"], "USAGE", /cannot currently be used together/);
  await refuses(["--network", "bridge"], "USAGE", /network mode "bridge"/);
  await refuses(["--allow", "device"], "UNSUPPORTED", /--allow device/);
  await refuses(["--allow", "all"], "USAGE", /invalid entitlement/);
  await refuses(["--require-sandbox", "gvisor"], "USAGE", /none of/);
});
