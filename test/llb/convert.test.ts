// Definitions as they become our graph: what each op is here, and what is refused, however it is put.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import type { Vertex } from "../../builder/graph/vertex.ts";
import { topological } from "../../builder/graph/vertex.ts";
import type { LlbOptions } from "../../builder/llb/convert.ts";
import { convertDefinition } from "../../builder/llb/convert.ts";
import type { SourceWorld } from "../../builder/llb/sources.ts";
import type { Edge } from "../support/graph.ts";
import { copy, Graph, mkdir, mkfile, mount, NO_META, opsOf, rm } from "../support/graph.ts";

const NEVER = new AbortController().signal;
const OPTIONS: LlbOptions = {
  platform: { os: "linux", architecture: "amd64" },
  allow: [],
  abilities: new Set(["file.base"]),
  noCache: false,
};
const WORLD: SourceWorld = {
  image: (name, _, isPulled) =>
    Promise.resolve({ id: `${name}${isPulled ? " pulled" : ""}`, name, layers: name === "empty" ? 0 : 1 }),
  layoutImage: ({ digest }) => Promise.resolve({ id: digest, name: digest, layers: 1 }),
  result: (id) => Promise.resolve({ id, name: id, layers: 1 }),
  local: ({ name }) => Promise.resolve(name),
};
const SHELL = ["/bin/sh"];

async function convert(graph: Graph, result: Edge, options: Partial<LlbOptions> = {}): Promise<Vertex | undefined> {
  const definition = graph.closed(result);
  return await convertDefinition({ ...definition, ops: opsOf(definition) }, { ...OPTIONS, ...options }, WORLD, NEVER);
}

async function refused(graph: Graph, result: Edge, code: string, text: RegExp): Promise<void> {
  await assert.rejects(convert(graph, result), (error) => {
    assert.ok(error instanceof BuildError, String(error));
    assert.deepEqual([error.code, text.test(error.message)], [code, true], error.message);
    return true;
  });
}

test("actions that work on each other are one op; what is copied from is one of its own", async () => {
  const graph = new Graph();
  const from = graph.file([mkdir("/d"), mkfile("/d/f", "f")]);
  const result = graph.file(
    [
      { ...mkdir("/made"), output: -1 },
      { ...mkfile("/other", "o"), input: -1 },
      { ...copy("/other", "/made/", 2), input: 1 },
      { ...copy("/d", "/", 0), input: 3, output: 0 },
    ],
    [from],
  );
  const vertex = await convert(graph, result);
  assert.ok(vertex?.op.kind === "file");
  assert.deepEqual(
    vertex.op.actions.map(({ action }) => action),
    ["mkdir", "copy", "copy"],
  );
  assert.deepEqual(
    vertex.inputs.map(({ op }) => (op.kind === "file" ? op.actions.map(({ action }) => action) : op.kind)),
    [["mkfile"], ["mkdir", "mkfile"]],
  );
});

test("each output of an exec is a vertex of one program", async () => {
  const graph = new Graph();
  const base = graph.source("docker-image://base");
  const mounts = [mount("/", { input: 0, output: 0 }), mount("/z", { output: 1 }), mount("/a", { type: 4 })];
  const run = graph.exec(SHELL, mounts, [base]);
  const merged = await convert(
    graph,
    graph.add({ merge: { inputs: [{ input: 0 }, { input: 1 }] } }, [run, { ...run, index: 1 }]),
  );
  const [root, out] = merged?.inputs ?? [];
  assert.ok(root?.op.kind === "exec" && out?.op.kind === "exec");
  const { result, ...program } = out.op;
  assert.deepEqual([root.op, result], [program, 1]);
  assert.deepEqual(program.mounts[1], {
    type: "bind",
    input: -1,
    selector: "/",
    target: "/z",
    readonly: false,
    isOutput: true,
  });
  assert.ok(program.env.some((variable) => variable.startsWith("PATH=")));
});

test("sources are read with their attributes", async () => {
  const opOf = async (identifier: string, attrs: Record<string, string>): Promise<unknown> => {
    const graph = new Graph();
    const vertex = await convert(graph, graph.source(identifier, attrs));
    return vertex?.op.kind === "source" ? vertex.op.source : vertex;
  };
  assert.deepEqual(await opOf("docker-image://a", { "image.resolvemode": "pull" }), {
    type: "image",
    id: "a pulled",
    name: "a",
  });
  assert.equal(await opOf("docker-image://empty", {}), undefined);
  const lists = { "local.includepattern": '["a"]', "local.excludepatterns": '["b"]', "local.followpaths": '["c"]' };
  assert.deepEqual(await opOf("local://x", { ...lists, "local.unique": "u" }), {
    type: "local",
    name: "x",
    excludes: ["b"],
    includes: ["a"],
    follows: ["c"],
  });
  assert.deepEqual(await opOf("https://h/p/f.tar?x", { "http.perm": "0640", "http.uid": "7" }), {
    type: "http",
    url: "https://h/p/f.tar?x",
    fileName: "f.tar",
    mode: 0o640,
    uid: 7,
  });
  assert.deepEqual(await opOf("git://h/r.git#v1:sub", { "git.fullurl": "https://h/r.git", "git.keepgitdir": "true" }), {
    type: "git",
    url: "https://h/r.git",
    keepGitDir: true,
    ref: "v1",
    subdir: "sub",
  });
});

test("what is not offered is refused by name", async () => {
  const graph = new Graph();
  const file = graph.file([mkfile("/f", "f")]);
  const unsupported = async (result: Edge, text: RegExp): Promise<void> =>
    await refused(graph, result, "UNSUPPORTED", text);
  await unsupported(graph.add({ build: {} }), /BuildOp/);
  await unsupported(graph.add({ passthrough: {} }), /PassthroughOp/);
  await unsupported(graph.add({}, [file]), /a kind that is not known/);
  await unsupported(graph.add({ constraints: { filter: ["x"] }, merge: { inputs: [] } }), /workers/);
  await unsupported(graph.add({ merge: { inputs: [] } }, [], ["file.base", "new.thing"]), /"new\.thing"/);
  await unsupported(graph.source("docker-image+blob://x"), /docker-image\+blob/);
  await unsupported(graph.source("docker-image://x", { "image.layerlimit": "1" }), /"image\.layerlimit"/);
  await unsupported(graph.source("git://x", { "git.authtokensecret": "MY" }), /secret "MY"/);
  const root = [mount("/", { output: 0 })];
  await unsupported(graph.exec(SHELL, root, [], { devices: [{ name: "gpu" }] }), /CDI/);
  await unsupported(graph.exec(SHELL, [...root, mount("/x", { type: 9 })], []), /type 9/);
  await refused(graph, graph.exec(SHELL, root, [], { network: 1 }), "USAGE", /network\.host is not allowed/);
  await refused(graph, graph.exec(SHELL, root, [], { security: 1 }), "USAGE", /security\.insecure is not allowed/);
});

test("what is no graph is refused as such", async () => {
  const graph = new Graph();
  const file = graph.file([mkfile("/f", "f")]);
  const invalid = async (result: Edge, text: RegExp): Promise<void> => await refused(graph, result, "USAGE", text);
  const nowhere = { digest: `sha256:${"0".repeat(64)}`, index: 0 };
  await invalid(nowhere, /is not in it/);
  await invalid({ digest: "\n", index: 0 }, /is not in it/);
  await invalid({ ...file, index: 1 }, /no output 1/);
  await invalid({ ...file, index: -1 }, /is output -1/);
  await invalid(graph.add({ merge: { inputs: [{ input: 0 }] } }, [nowhere]), /is not in it/);
  await invalid(graph.add({ merge: { inputs: [{ input: 5 }] } }, [file]), /its input 5, and has 1/);
  await invalid(graph.add({ diff: { lower: { input: 0 }, upper: undefined } }, [file]), /one side/);
  await invalid(graph.add({ merge: { inputs: [] }, file: { actions: [] } }), /several kinds/);
  await invalid(graph.add({ file: { actions: [] } }), /no actions/);
  await invalid(graph.file([{ ...mkfile("/a", "a"), input: 7 }]), /comes later/);
  await invalid(graph.file([{ ...copy("/a", "/b", 0), input: -1 }]), /comes later/);
  await invalid(graph.exec([], [mount("/", {})], []), /no program/);
  await invalid(graph.exec(SHELL, [], []), /0 root file systems/);
  await invalid(graph.exec(SHELL, [mount("/", { output: 0 }), mount("/a", { output: 0 })], []), /output 0 twice/);
  await invalid(graph.exec(SHELL, [mount("/", {}), mount("a", {})], []), /no absolute path/);
  await invalid(graph.source("local://x", { "local.followpaths": "{}" }), /no list of texts/);
  const empty = convertDefinition({ ops: new Map(), metadata: new Map(), source: undefined }, OPTIONS, WORLD, NEVER);
  await assert.rejects(empty, /at least two/);
});

test("a chain of 10,000 ops is read as one of ten, and names do not grow without end", async () => {
  const graph = new Graph();
  let edge = graph.file([mkfile("/0", "0")]);
  for (let at = 1; at < 10_000; at++) edge = graph.file([rm(`/${at - 1}`), mkfile(`/${at}`, "")], [edge], 0);
  const deep = await convert(graph, edge);
  assert.equal(topological(deep === undefined ? [] : [deep]).length, 10_000);
  const merges = new Graph();
  let wide = merges.source("docker-image://base");
  for (let at = 0; at < 40; at++)
    wide = merges.add({ merge: { inputs: [{ input: 0 }, { input: 1 }] }, platform: undefined }, [wide, wide]);
  const merged = await convert(merges, wide);
  assert.ok((merged?.options.name.length ?? 0) <= 1001);
  const wasteful = new Graph();
  const many = Array.from({ length: 500 }, (_, at) => ({ ...mkfile(`/${at}`, ""), output: at }));
  await refused(wasteful, wasteful.file(many), "USAGE", /more than 100000 actions/);
});

test("an op is called by what it does, unless the client calls it something, and is shown where it was written", async () => {
  const graph = new Graph();
  const run = graph.exec(["/bin/x", "y"], [mount("/", { output: 0 })], [], {
    meta: { ...NO_META, args: ["/bin/x", "y"] },
  });
  const source = {
    locations: new Map([
      [
        run.digest,
        {
          locations: [
            { sourceIndex: 0, ranges: [{ start: { line: 2, character: 0 }, end: { line: 3, character: 0 } }] },
          ],
        },
      ],
    ]),
    infos: [{ filename: "build.hcl", data: Buffer.from("a\nb\nc\n") }],
  };
  const definition = graph.closed(run, source);
  const vertex = await convertDefinition({ ...definition, ops: opsOf(definition) }, OPTIONS, WORLD, NEVER);
  assert.deepEqual(vertex?.options, {
    name: "/bin/x y",
    location: { file: "build.hcl", range: { startLine: 2, endLine: 3 }, text: "a\nb\nc\n" },
  });
});
