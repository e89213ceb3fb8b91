// What a stack of layers looks like as one tree.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BytePath } from "../../builder/core/bytes/byte-path.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { ContentSource, Entry } from "../../builder/layer/entry.ts";
import type { ViewLayer } from "../../builder/layer/view/view-layer.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";
import { never } from "./support.ts";

test("the top layer wins, and whiteouts hide only what is below their layer", () => {
  const view = viewOf(
    [dir("a"), file("a/x"), file("a/y"), file("b")],
    [whiteout("a/x"), file("a/new"), whiteout("b"), dir("b", 0o700), file("b/inside")],
  );
  assert.deepEqual(tree(view), ["a/", "a/new", "a/y", "b/", "b/inside"]);
  assert.equal(view.lstat("b")?.mode, 0o700);
  assert.equal(view.node("a/y")?.layer, 0);
  assert.equal(view.node("b")?.layer, 1);
});

test("an opaque directory hides what was in it, wherever its marker stands in the layer", () => {
  const view = viewOf([dir("d"), file("d/old"), dir("d/sub"), file("d/sub/f")], [dir("d"), file("d/new"), opaque("d")]);
  assert.deepEqual(tree(view), ["d/", "d/new"]);
});

test("a directory that comes again keeps what is in it and takes the new attributes; a file takes its place whole", () => {
  const view = viewOf([dir("d"), file("d/f"), dir("e"), file("e/f")], [dir("d", 0o700), file("e")]);
  assert.deepEqual(tree(view), ["d/", "d/f", "e"]);
  assert.equal(view.lstat("d")?.mode, 0o700);
  assert.equal(view.lstat("e/f"), undefined);
});

test("directories that a layer does not list are 0755 and root's, and do not change those that are there", () => {
  const view = viewOf([dir("known", 0o700), file("x/y/z")], [file("known/f")]);
  assert.deepEqual(view.lstat("x/y"), { path: "x/y", type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n });
  assert.equal(view.lstat("known")?.mode, 0o700);
});

test("names of one file share inode, digest and bytes, also when the first name is hidden later", async () => {
  const layers = [[file("a", "content"), link("b", "a"), link("c", "b")], [whiteout("a")]];
  const view = viewOf(...layers);
  assert.equal(view.inode("b"), view.inode("c"));
  assert.notEqual(view.inode("b"), view.inode(""));
  assert.equal(view.lstat("c")?.type, "file");
  assert.equal(Buffer.from((await view.readFile("c", 100, never)) ?? []).toString(), "content");
  const digests = await view.digests(["b", "c"], never);
  assert.equal(digests.get("b"), digests.get("c"));
  assert.deepEqual(
    view.entries().map(({ path, type, link }) => [path, type, link]),
    [
      ["b", "file", undefined],
      ["c", "hardlink", "b"],
    ],
  );
});

test("a name of a lower layer that a higher one makes a link to is the same file from there on", () => {
  const linked: Entry = { ...file("c", "content"), lowerNames: ["d/a", "gone"] };
  const view = viewOf([dir("d"), file("d/a", "content"), link("d/b", "d/a")], [linked]);
  assert.equal(view.inode("c"), view.inode("d/a"));
  assert.notEqual(view.inode("c"), view.inode("d/b"));
  assert.equal(view.lstat("gone"), undefined);
  assert.equal(view.lstat("c")?.lowerNames, undefined);
  assert.deepEqual(
    view.entries().map(({ path, type, link: target }) => [path, type, target]),
    [
      ["c", "file", undefined],
      ["d", "dir", undefined],
      ["d/a", "hardlink", "c"],
      ["d/b", "file", undefined],
    ],
  );
});

test("a link in the place of a directory hides what was in it, also when the name is a directory again later", () => {
  const layers = [
    [file("a", "1")],
    [dir("d"), file("d/old", "2")],
    [link("d", "a")],
    [dir("d"), file("d/new", "3")],
  ] as const;
  assert.deepEqual(viewOf(...layers).list("d"), ["new"]);
  assert.equal(viewOf(...layers.slice(0, 3)).lstat("d")?.type, "file");
});

test("links resolve inside the root, and a missing path to where it would be", () => {
  const view = viewOf([
    dir("real"),
    file("real/f"),
    symlink("abs", "/real"),
    symlink("out", "../../../etc"),
    symlink("loop", "loop"),
    symlink("dangling", "/nowhere/x"),
    file("plain"),
  ]);
  const resolve = (path: BytePath, followLast = true): string => view.resolve(path, { followLast }).path;
  assert.equal(resolve("/abs/f"), "real/f");
  assert.equal(resolve("abs", false), "abs");
  assert.equal(resolve("abs/", false), "abs");
  assert.equal(resolve("abs/../real/f"), "real/f");
  assert.equal(resolve("out/passwd"), "etc/passwd");
  assert.equal(resolve("../../real"), "real");
  assert.equal(resolve("dangling"), "nowhere/x");
  assert.throws(() => resolve("loop"), /too many links/);
  assert.throws(() => resolve("plain/f"), /"\/plain" is not a directory/);
});

test("reading a file says when it is too large or no file, and is undefined for nothing", async () => {
  const view = viewOf([dir("d"), file("f", "12345")]);
  assert.equal(await view.readFile("none", 10, never), undefined);
  await assert.rejects(view.readFile("f", 4, never), BuildError);
  await assert.rejects(view.readFile("d", 4, never), /not a regular file/);
});

test("any stack of layers looks as if each had been applied in turn", () => {
  const name = fc.constantFrom("a", "b", "a/b", "a/c", "b/a", "a/b/c", "b/a/c");
  const change = fc.oneof(
    name.map((path) => file(path)),
    name.map((path) => dir(path, 0o700)),
    name.map(whiteout),
    name.map(opaque),
  );
  const layer = fc
    .uniqueArray(change, { selector: ({ path, type }) => `${path} ${type === "opaque"}`, maxLength: 5 })
    .filter(isPossible);
  fc.assert(
    fc.property(fc.array(layer, { maxLength: 4 }), (layers) => {
      assert.deepEqual(tree(viewOf(...layers)), applyInTurn(layers));
    }),
  );
});

test("views on one another, asked in any order, are the views of all their layers; those below stay what they were", () => {
  const path = fc.constantFrom("a", "b", "d", "d/a", "d/b", "d/e/f");
  const change = fc.oneof(
    path.map((at) => file(at, at)),
    path.map((at) => dir(at, 0o700)),
    path.map(whiteout),
    path.map(opaque),
    fc.tuple(path, path).map(([at, target]) => link(at, target)),
    fc.tuple(path, fc.uniqueArray(path)).map(([at, lowerNames]) => ({ ...file(at, at), lowerNames })),
  );
  const layer = fc.uniqueArray(change, { selector: ({ path: at }) => at, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(layer, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 5 }), (layers, order) => {
      const stack = layers.map(layerOf);
      const views: RootfsView[] = [];
      for (const one of stack) views.push(new RootfsView([one], views.at(-1)));
      // One beside the last, on the same view below it.
      const beside = new RootfsView([layerOf([file("d", "beside"), whiteout("a")])], views.at(-2));
      for (const at of order) void views[at % views.length]?.list("");
      void beside.list("");
      for (const [count, view] of views.entries()) {
        const flat = new RootfsView(stack.slice(0, count + 1));
        assert.deepEqual(view.entries(), flat.entries());
        for (const { path: at } of flat.entries()) assert.deepEqual(view.node(at), flat.node(at));
        assert.equal(view.depth, count + 1);
      }
    }),
  );
});

test("a step on thousands of others looks at what it changes only", async () => {
  const wide = layerOf(Array.from({ length: 2000 }, (_, at) => file(`wide/${String(at).padStart(5, "0")}`)));
  let view = new RootfsView([wide]);
  for (let step = 0; step < 5000; step++) {
    view = new RootfsView([layerOf([dir("steps"), file(`steps/${step}`, String(step))])], view);
    assert.equal(view.lstat(`steps/${step}`)?.type, "file");
  }
  assert.equal(view.list("steps").length, 5000);
  assert.equal(view.list("wide").length, 2000);
  assert.deepEqual((await view.sources(["steps/7"], never)).get("steps/7"), {
    kind: "bytes",
    bytes: Buffer.from("7"),
  });
});

/** No layer has something below a path that it says is a file or gone. */
function isPossible(entries: readonly Entry[]): boolean {
  const blocks = entries.filter(({ type }) => type === "file" || type === "whiteout").map(({ path }) => `${path}/`);
  const noDirectory = (path: BytePath): boolean => blocks.some((block) => `${path}/`.startsWith(block));
  return entries.every(({ path, type }) =>
    type === "opaque" ? !noDirectory(path) : !blocks.some((block) => path.startsWith(block)),
  );
}

function applyInTurn(layers: readonly (readonly Entry[])[]): string[] {
  const present = new Map<BytePath, "file" | "dir">();
  const removeBelow = (path: BytePath): void =>
    [...present.keys()].filter((key) => key.startsWith(`${path}/`)).forEach((key) => present.delete(key));
  for (const layer of layers) {
    for (const { path, type } of layer) {
      const isReachable = !parents(path).some((parent) => present.get(parent) === "file");
      if (!isReachable) continue;
      if (type === "whiteout" || type === "opaque") removeBelow(path);
      if (type === "whiteout") present.delete(path);
    }
    for (const { path, type } of layer) {
      if (type !== "file" && type !== "dir") continue;
      for (const parent of parents(path)) present.set(parent, "dir");
      if (type === "file") removeBelow(path);
      present.set(path, type);
    }
  }
  return [...present].map(([path, type]) => (type === "dir" ? `${path}/` : path)).sort();
}

function parents(path: BytePath): BytePath[] {
  const parts = path.split("/");
  return parts.slice(0, -1).map((_, count) => parts.slice(0, count + 1).join("/"));
}

function tree(view: RootfsView): string[] {
  const found = (directory: BytePath): string[] =>
    view.list(directory).flatMap((name) => {
      const path = directory === "" ? name : `${directory}/${name}`;
      return view.lstat(path)?.type === "dir" ? [`${path}/`, ...found(path)] : [path];
    });
  const paths = found("").sort();
  assert.deepEqual(
    view
      .entries()
      .map(({ path, type }) => (type === "dir" ? `${path}/` : path))
      .sort(),
    paths,
  );
  return paths;
}

const contents = new WeakMap<Entry, string>();

function file(path: BytePath, content = ""): Entry {
  const entry: Entry = { ...attributes, path, type: "file", mode: 0o644, size: content.length };
  contents.set(entry, content);
  return entry;
}

const attributes = { uid: 0, gid: 0, size: 0, mtimeNs: 0n } as const;
const dir = (path: BytePath, mode = 0o755): Entry => ({ ...attributes, path, type: "dir", mode });
const symlink = (path: BytePath, target: BytePath): Entry => ({
  ...attributes,
  path,
  type: "symlink",
  mode: 0o777,
  link: target,
});
const link = (path: BytePath, target: BytePath): Entry => ({
  ...attributes,
  path,
  type: "hardlink",
  mode: 0o644,
  link: target,
});
const whiteout = (path: BytePath): Entry => ({ ...attributes, path, type: "whiteout", mode: 0 });
const opaque = (path: BytePath): Entry => ({ ...attributes, path, type: "opaque", mode: 0 });

function viewOf(...layers: readonly (readonly Entry[])[]): RootfsView {
  return new RootfsView(layers.map(layerOf));
}

function layerOf(entries: readonly Entry[]): ViewLayer {
  const sources = new Map<BytePath, ContentSource>();
  for (const entry of entries)
    sources.set(entry.path, { kind: "bytes", bytes: Buffer.from(contents.get(entry) ?? "") });
  return {
    entries,
    sources: (paths) => Promise.resolve(new Map(paths.flatMap((path) => [...sources].filter(([key]) => key === path)))),
  };
}
