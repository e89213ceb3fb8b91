// Graphs that a client sends itself, in BuildKit's low-level form: built as a Dockerfile's are, or refused.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { extract } from "tar-stream";
import { CODE } from "../../src/api/grpc/status.ts";
import {
  BridgeSolveRequest,
  BridgeSolveResponse,
  PongResponse,
  ReadDirRequest,
  ReadDirResponse,
  ReadFileRequest,
  ReadFileResponse,
  ReturnRequest,
  StatFileRequest,
  StatFileResponse,
} from "../../src/api/proto/bridge.ts";
import { Empty, SolveRequest, SolveResponse } from "../../src/api/proto/control.ts";
import { BuildRecords } from "../../builder/records/build-records.ts";
import { Definition, OpMessage } from "../../src/api/proto/llb.ts";
import { bridgeOf, offerOf, openSession, statusOf } from "../support/build-client.ts";
import type { Offer } from "../support/build-client.ts";
import type { Edge } from "../support/graph.ts";
import { copy, Graph, mkdir, mkfile, rm } from "../support/graph.ts";
import { client, folder, NEVER, solve, status } from "./running-daemon.ts";

let count = 0;

/** Builds a graph to a tar, and tells of what is in it. */
async function built(
  graph: Graph,
  result: Edge,
  offer: Offer = offerOf({}),
): Promise<Readonly<Record<string, string>>> {
  const session = `graph session ${count++}`;
  await using _session = openSession(client, session, offer);
  const exporters = [{ type: "tar", attrs: new Map<string, string>() }];
  await solve({ ref: `graph ${count}`, session, definition: graph.closed(result), exporters });
  return await listed(offer.outputs.at(-1) ?? Buffer.alloc(0));
}

async function listed(tar: Buffer): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  const reader = extract();
  reader.end(tar);
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    for await (const part of entry) parts.push(part as Buffer); // a stream of bytes
    const { name, type, linkname, mode, uid, gid } = entry.header;
    const content = type === "file" ? Buffer.concat(parts).toString("latin1") : (linkname ?? "");
    found[name] = `${mode.toString(8)} ${uid}:${gid} ${content}`;
  }
  return found;
}

const RECORDED = join(import.meta.dirname, "../../fixtures/llb");

for (const file of readdirSync(RECORDED).filter((name) => name.endsWith(".llb"))) {
  const name = file.slice(0, -".llb".length);
  test(`what BuildKit's own client wrote comes out as from BuildKit: ${name}`, async () => {
    const offer = offerOf({ "bin/": "", "bin/b": "B", other: "O", "src/": "", "src/a": "A", "src/a.tmp": "T" });
    const session = `recorded ${name}`;
    await using _session = openSession(client, session, offer);
    const definition = Definition.decode(readFileSync(join(RECORDED, file)));
    await solve({ ref: session, session, definition, exporters: [{ type: "tar", attrs: new Map() }] });
    const want: unknown = JSON.parse(readFileSync(join(RECORDED, `${name}.json`), "utf8"));
    assert.deepEqual(await listed(offer.outputs[0] ?? Buffer.alloc(0)), want);
  });
}

test("files are made, copied, linked and removed as the graph says", async () => {
  const graph = new Graph();
  const from = graph.file([mkdir("/d"), mkfile("/d/x", "x", 0o600), mkfile("/d/y.txt", Buffer.from([0xff, 0]))]);
  const owner = { user: { byName: undefined, byId: 5 }, group: { byName: undefined, byId: 6 } };
  const result = graph.file(
    [
      copy("/d", "/to", 0, {
        dirContentsOnly: true,
        createDestination: true,
        includes: ["*.txt"],
        timestamp: 1_000_000_000n,
      }),
      { ...copy("/d/*", "/all/", 0, { allowWildcard: true, createDestination: true, owner, required: ["/d/x"] }) },
      copy("/d/x", "/octal", 0, { modeText: "0751" }),
      rm("/all/y.txt"),
      { symlink: { owner: undefined, timestamp: -1n, oldPath: "/all/x", newPath: "/link" } },
    ],
    [from],
    -1,
  );
  assert.deepEqual(await built(graph, result), {
    "all/": "755 5:6 ",
    "all/x": "600 5:6 x",
    link: "777 0:0 /all/x",
    octal: "751 0:0 x",
    "to/": "755 0:0 ",
    "to/y.txt": "644 0:0 \xff\0",
  });
  const missing = graph.file([copy("/d", "/to", 0, { includes: ["*.txt"], required: ["/d/x"] })], [from], -1);
  await assert.rejects(built(graph, missing), /"\/d\/x": not found/);
});

test("a difference of trees that do not stand on each other makes one of the other", async () => {
  const graph = new Graph();
  const one = graph.file([mkdir("/d"), mkfile("/d/a", "a"), mkfile("/keep", "k")]);
  const two = graph.file([mkdir("/d"), mkfile("/d/b", "b"), mkfile("/keep", "kk")]);
  const difference = graph.add({ diff: { lower: { input: 0 }, upper: { input: 1 } } }, [one, two]);
  const both = graph.add({ merge: { inputs: [{ input: 0 }, { input: 1 }] } }, [one, difference]);
  const want = { "d/": "755 0:0 ", "d/b": "644 0:0 b", keep: "644 0:0 kk" };
  assert.deepEqual(await built(graph, both), want);
  assert.deepEqual(await built(graph, difference), want);
});

test("a folder of the client's comes as far as the graph wants it", async () => {
  const graph = new Graph();
  const folder = graph.source("local://context", {
    "local.followpaths": '["src/*"]',
    "local.excludepatterns": '["**/c"]',
  });
  const result = graph.file([copy("/", "/", 0, { dirContentsOnly: true })], [folder]);
  const offer = offerOf({ "src/": "", "src/a": "A", "src/c": "C", other: "O" });
  assert.deepEqual(await built(graph, result, offer), { "src/": "755 0:0 ", "src/a": "644 0:0 A" });
  assert.ok(!offer.requested.includes("other"));
});

test("graphs are the contexts of a Dockerfile, and one has the Dockerfile", async () => {
  const graph = new Graph();
  const text = "FROM scratch\nCOPY --from=more /m /\nCOPY . /here/\n";
  const project = graph.file([mkdir("/sub"), mkfile("/sub/dockerfile", text)]);
  const folder = graph.file([copy("/", "/", 0, { dirContentsOnly: true })], [graph.source("local://context")]);
  const more = graph.file([mkfile("/m", "m", 0o600)]);
  const offer = offerOf({ a: "A", ".dockerignore": "a\n" });
  const session = "graphs as contexts";
  await using _session = openSession(client, session, offer);
  const request = {
    session,
    frontend: "dockerfile.v0",
    frontendInputs: new Map([
      ["dockerfile", graph.closed(project)],
      ["context", graph.closed(folder)],
      ["graph of more", graph.closed(more)],
    ]),
    exporters: [{ type: "tar", attrs: new Map<string, string>() }],
  };
  const attrs = { filename: "sub/Dockerfile", "context:more": "input:graph of more" };
  await solve({ ref: session, ...request, frontendAttrs: new Map(Object.entries(attrs)) });
  assert.deepEqual(await listed(offer.outputs[0] ?? Buffer.alloc(0)), {
    "here/": "755 0:0 ",
    "here/.dockerignore": "644 0:0 a\n",
    "here/a": "644 0:0 A",
    m: "600 0:0 m",
  });
  const missing = new Map(Object.entries({ ...attrs, filename: "other" }));
  const refused = solve({ ref: "no Dockerfile", ...request, frontendAttrs: missing });
  await assert.rejects(refused, /failed to read dockerfile: open other: no such file/);
});

test("a client looks into a result before it goes on, and never out of it", async () => {
  const graph = new Graph();
  const to = (oldPath: string, newPath: string): object => ({ symlink: { owner: undefined, timestamp: -1n, oldPath, newPath } }); // prettier-ignore
  const files = [mkdir("/d"), mkfile("/d/x", "0123456789", 0o600), mkfile("/d/y.txt", "y"), mkdir("/d/sub")];
  const result = graph.file([
    ...files,
    to("/d/x", "/link"),
    to("../../../../etc/passwd", "/d/out"),
    to("loop", "/loop"),
  ]);
  const ref = "looking";
  await using _session = openSession(client, ref, offerOf({}));
  const types = [SolveRequest, SolveResponse] as const;
  const solved = client.unary("/moby.buildkit.v1.Control/Solve", types, { ref, session: ref }, NEVER);
  solved.catch(() => undefined);
  const bridge = bridgeOf(client, ref);
  const asked = { definition: graph.closed(result) };
  const id = (await bridge("Solve", [BridgeSolveRequest, BridgeSolveResponse], asked)).result?.ref?.id ?? "";
  const read = async (path: string, range?: Readonly<Record<"offset" | "length", number>>): Promise<string> => {
    const question = { ref: id, path: Buffer.from(path), range };
    return Buffer.from((await bridge("ReadFile", [ReadFileRequest, ReadFileResponse], question)).data).toString();
  };
  const list = async (path: string, includePattern = ""): Promise<readonly (readonly [string, string])[]> => {
    const question = { ref: id, path: Buffer.from(path), includePattern };
    const { entries } = await bridge("ReadDir", [ReadDirRequest, ReadDirResponse], question);
    return entries.map((entry) => [Buffer.from(entry.path).toString(), (entry.mode >>> 0).toString(8)]);
  };
  assert.deepEqual([await read("d/x"), await read("/link", { offset: 4, length: 3 })], ["0123456789", "456"]);
  assert.equal(await read("link", { offset: 99, length: 3 }), "");
  await assert.rejects(read("/d/out"), status(CODE.unknown, /^open \/d\/out: no such file or directory$/));
  await assert.rejects(read("/loop"), status(CODE.unknown, /too many levels of symbolic links/));
  await assert.rejects(read("/d"), status(CODE.unknown, /d is not a regular file/));
  const [GO_DIR, GO_LINK] = ["20000000755", "1000000777"];
  const x = ["x", "600"];
  assert.deepEqual(await list("/d"), [["out", GO_LINK], ["sub", GO_DIR], x, ["y.txt", "644"]]); // prettier-ignore
  assert.deepEqual(await list("d", "*.txt"), [["y.txt", "644"]]);
  await assert.rejects(list("/d/x"), status(CODE.unknown, /readdir \/d\/x: not a directory/));
  const question = { ref: id, path: Buffer.from("/link") };
  const { stat } = await bridge("StatFile", [StatFileRequest, StatFileResponse], question);
  assert.deepEqual([Buffer.from(stat?.path ?? []).toString(), stat?.size, stat?.mode], ["x", 10, 0o600]);
  await bridge("Return", [ReturnRequest, Empty], {});
  await solved;
});

test("a client that calls the bridge gives the image its config, and what it evaluates first is the same build", async () => {
  const graph = new Graph();
  const result = graph.file([mkfile("/f", "f")]);
  const ref = "bridge graph";
  const offer = offerOf({});
  await using _session = openSession(client, ref, offer);
  const exporters = [{ type: "oci", attrs: new Map<string, string>() }];
  const types = [SolveRequest, SolveResponse] as const;
  const solved = client.unary("/moby.buildkit.v1.Control/Solve", types, { ref, session: ref, exporters }, NEVER);
  solved.catch(() => undefined);
  const bridge = bridgeOf(client, ref);
  await bridge("Ping", [Empty, PongResponse], {});
  const asked = { definition: graph.closed(result), evaluate: true };
  const answer = await bridge("Solve", [BridgeSolveRequest, BridgeSolveResponse], asked);
  const config = { architecture: "arm64", os: "linux", config: { Cmd: ["/f"] }, history: [{ created_by: "mine" }] };
  const metadata = new Map([["containerimage.config", Buffer.from(JSON.stringify(config))]]);
  assert.ok(answer.result !== undefined);
  await bridge("Return", [ReturnRequest, Empty], { result: { ...answer.result, metadata } });
  const records = new BuildRecords(join(folder, "root/tsbuild/builds"), folder);
  const before = new Set(records.list().map(({ id }) => id));
  const { exporterResponse } = await solved;
  const [remembered, ...more] = records.list().filter((one) => !before.has(one.id));
  assert.deepEqual(
    remembered?.timeline.steps.map(({ name, cached }) => [name, cached]),
    [
      ["mkfile /f", undefined],
      ["exporting to oci image format", undefined],
    ],
  );
  assert.deepEqual(more, []);
  const imageId = exporterResponse.get("containerimage.config.digest") ?? "";
  const [found] = await blobs(offer.outputs[0] ?? Buffer.alloc(0), imageId.slice("sha256:".length));
  const image = JSON.parse(found ?? "") as Record<string, unknown>;
  const { Cmd } = image["config"] as Record<string, unknown>;
  assert.deepEqual(
    [image["architecture"], Cmd, (image["history"] as { created_by: string }[])[0]?.created_by],
    ["arm64", ["/f"], "mine"],
  );
});

test("a client builds with ops of its own on what a Dockerfile gave it", async () => {
  const ref = "graph on a result";
  const offer = offerOf({ Dockerfile: "FROM scratch\nCOPY a /kept\nCOPY a /gone\n", a: "A" });
  await using _session = openSession(client, ref, offer);
  const exporters = [{ type: "tar", attrs: new Map<string, string>() }];
  const types = [SolveRequest, SolveResponse] as const;
  const solved = client.unary("/moby.buildkit.v1.Control/Solve", types, { ref, session: ref, exporters }, NEVER);
  solved.catch(() => undefined);
  const bridge = bridgeOf(client, ref);
  await bridge("Ping", [Empty, PongResponse], {});
  const { result } = await bridge("Solve", [BridgeSolveRequest, BridgeSolveResponse], { frontend: "dockerfile.v0" });
  const graph = new Graph();
  const [source] = result?.ref?.definition?.ops ?? [];
  const identifier = OpMessage.decode(source ?? new Uint8Array()).source?.identifier ?? "";
  const more = graph.file([rm("/gone"), mkfile("/more", "m")], [graph.source(identifier)], 0);
  const larger = await bridge("Solve", [BridgeSolveRequest, BridgeSolveResponse], { definition: graph.closed(more) });
  await bridge("Return", [ReturnRequest, Empty], { result: larger.result });
  await solved;
  assert.deepEqual(await listed(offer.outputs[0] ?? Buffer.alloc(0)), { kept: "644 0:0 A", more: "644 0:0 m" });
  const other = new Graph();
  const missing = other.file([mkfile("/more", "m")], [other.source("tsbuild-result://none")], 0);
  await assert.rejects(built(other, missing), /no build under way has the result none/);
});

async function blobs(tar: Buffer, name: string): Promise<readonly string[]> {
  const files = await listed(tar);
  return Object.entries(files).flatMap(([path, text]) => (path.endsWith(name) ? [text.replace(/^\S+ \S+ /, "")] : []));
}

test("steps are told of by their names, and an error by where the op was written", async () => {
  const graph = new Graph();
  const bad = graph.file([mkfile("/nowhere/f", "f")]);
  const place = { sourceIndex: 0, ranges: [{ start: { line: 2, character: 0 }, end: { line: 2, character: 3 } }] };
  const source = {
    locations: new Map([[bad.digest, { locations: [place] }]]),
    infos: [{ filename: "x.hcl", data: Buffer.from("one\ntwo\n") }],
  };
  const ref = "graph error";
  await assert.rejects(
    solve({ ref, definition: graph.closed(bad, source) }),
    status(CODE.unknown, /\/nowhere: no such directory/),
  );
  const names = (await statusOf(client, ref)).flatMap(({ vertexes }) => vertexes.map(({ name }) => name));
  assert.ok(names.includes("mkfile /nowhere/f"), names.join(", "));
});

test("the provenance of a graph names no Dockerfile", async () => {
  const graph = new Graph();
  const definition = graph.closed(graph.file([mkfile("/f", "f")]));
  const offer = offerOf({});
  await using _session = openSession(client, "provenance", offer);
  const exporters = [{ type: "tar", attrs: new Map<string, string>() }];
  const frontendAttrs = new Map([["attest:provenance", "mode=max"]]);
  await solve({ ref: "provenance", session: "provenance", definition, frontendAttrs, exporters });
  const text = (await listed(offer.outputs[0] ?? Buffer.alloc(0)))["provenance.json"] ?? "";
  assert.ok(text.includes("mkfile") && !/dockerfile/i.test(text), text);
});

test("what is no graph, or asks for a frontend, is refused with a code", async () => {
  const graph = new Graph();
  const file = graph.file([mkfile("/f", "f")]);
  const good = graph.closed(file);
  const { invalidArgument, unimplemented } = CODE;
  const refused = async (request: Parameters<typeof solve>[0], code: number, text: RegExp): Promise<void> =>
    await assert.rejects(solve({ ref: `no graph ${count++}`, ...request }), status(code, text));
  await refused({ definition: { ...good, ops: [Uint8Array.of(1)] } }, invalidArgument, /malformed/);
  await refused({ definition: { ...good, ops: good.ops.slice(1) } }, invalidArgument, /at least two/);
  await refused({ definition: graph.closed({ ...file, index: 3 }) }, invalidArgument, /no output 3/);
  await refused({ definition: { ...good, ops: Array(100_001).fill(new Uint8Array()) } }, invalidArgument, /100001 ops/);
  const named = { byName: { name: "x", input: -1 }, byId: undefined };
  const nobody = graph.file([copy("/f", "/", 0, { owner: { user: named, group: undefined } })], [file], -1);
  await refused({ definition: graph.closed(nobody) }, invalidArgument, /invalid user index: -1/);
  const local = graph.closed(graph.source("local://x"));
  await refused({ definition: local }, invalidArgument, /names no session/);
  const frontendAttrs = new Map([["source", "some/frontend"]]);
  await refused({ frontend: "gateway.v0", frontendAttrs }, unimplemented, /"some\/frontend" is not supported/);
  await refused({ frontend: "dockerfile.v0", definition: good }, unimplemented, /graph as the input of a frontend/);
});

test("steps and merges that would lay thousands of layers on each other are refused before anything is built", async () => {
  const steps = new Graph();
  let tall = steps.file([mkfile("/0", "0")]);
  for (let step = 1; step <= 2000; step++) tall = steps.file([mkfile("/0", String(step))], [tall], 0);
  const merges = new Graph();
  let doubled = merges.file([mkfile("/0", "0")]);
  for (let merge = 0; merge < 60; merge++)
    doubled = merges.add({ merge: { inputs: [{ input: 0 }, { input: 1 }] } }, [doubled, doubled]);
  for (const [ref, definition] of [
    ["steps", steps.closed(tall)],
    ["merges", merges.closed(doubled)],
  ] as const)
    await assert.rejects(solve({ ref: `tall ${ref}`, definition }), status(CODE.unknown, /more than 2000 layers/));
});
