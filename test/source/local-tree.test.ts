// A client's directory as a tree: what the ignore file leaves, what files look like, what cannot be read.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import { LocalTree } from "../../builder/source/local-tree.ts";

const never = new AbortController().signal;

test("exceptions bring back what is below an ignored directory, with the directories above it", (t) => {
  const tree = treeOf(t, ["a/b/keep", "a/b/drop", "a/c/drop", "z"], ["a", "!a/b/keep"]);
  assert.deepEqual(walk(tree), ["a", "a/b", "a/b/keep", "z"]);
  assert.equal(tree.lstat("a/c"), undefined);
  assert.equal(tree.lstat("a/b/drop"), undefined);
});

test("any path can be asked for first", (t) => {
  const files = ["a/b/keep", "a/b/drop", "x/keep"];
  const excludes = ["**", "!**/keep"];
  assert.equal(treeOf(t, files, excludes).lstat("a/b/keep")?.type, "file");
  assert.equal(treeOf(t, files, excludes).lstat("a/b/drop"), undefined);
  assert.deepEqual(treeOf(t, files, excludes).list("a/b"), ["keep"]);
});

test("links are shown, not followed, and nothing is seen through them", (t) => {
  const tree = treeOf(t, ["d/f"]);
  symlinkSync("/etc", join(tree.root, "out"));
  assert.equal(tree.lstat("out")?.link, "/etc");
  assert.equal(tree.lstat("out/passwd"), undefined);
  assert.deepEqual(tree.list("out"), []);
});

test("modes with setuid and sticky, nanoseconds and names of any bytes are exact; owners are root", (t) => {
  const tree = treeOf(t, ["f"]);
  const odd = Buffer.from("odd\xff", "latin1");
  writeFileSync(Buffer.concat([Buffer.from(`${tree.root}/`), odd]), "x");
  chmodSync(join(tree.root, "f"), 0o4751);
  execFileSync("touch", ["-d", "2001-02-03 04:05:06.123456789Z", join(tree.root, "f")]);
  const entry = tree.lstat("f");
  assert.equal(entry?.mode, 0o4751);
  assert.equal(entry.mtimeNs, 981173106_123456789n);
  assert.deepEqual([entry.uid, entry.gid], [0, 0]);
  assert.deepEqual(tree.list(""), ["f", "odd\xff"]);
});

test("names of one file have one inode", (t) => {
  const tree = treeOf(t, ["a", "c"]);
  linkSync(join(tree.root, "a"), join(tree.root, "b"));
  assert.equal(tree.inode("a"), tree.inode("b"));
  assert.notEqual(tree.inode("a"), tree.inode("c"));
});

test("a socket is an empty file", async (t) => {
  const tree = treeOf(t, []);
  const server = createServer();
  await new Promise<void>((done) => server.listen(join(tree.root, "s"), done));
  t.after(() => server.close());
  assert.equal(tree.lstat("s")?.type, "file");
  assert.equal((await tree.digests(["s"], never)).get("s"), digestOf(""));
});

test("digests are of the bytes; a cache answers for files it knows and learns the rest", async (t) => {
  const { root } = treeOf(t, ["a", "b"]);
  const stored = new Map<string, string>();
  const digestCache = {
    isSettled: () => true,
    lookup: (path: string) => (path === "a" ? digestOf("known") : undefined),
    store: (path: string, _stat: unknown, digest: string) => void stored.set(path, digest),
  };
  const digests = await new LocalTree(root, { digestCache }).digests(["a", "b"], never);
  assert.equal(digests.get("a"), digestOf("known"));
  assert.deepEqual([...stored], [["b", digestOf("b")]]);
});

test("a file that changes under the reader is an error", async (t) => {
  const tree = treeOf(t, ["a"]);
  tree.lstat("a");
  writeFileSync(join(tree.root, "a"), "longer than before");
  await assert.rejects(tree.digests(["a"], never), /"a" changed while it was read/);
});

test("a file that cannot be read is an error with its name", async (t) => {
  const tree = treeOf(t, ["d/gone"]);
  tree.lstat("d/gone");
  rmSync(join(tree.root, "d/gone"));
  await assert.rejects(tree.digests(["d/gone"], never), {
    code: "CONTEXT",
    message: '"d/gone" in the build context cannot be read: it is gone',
  });
});

test("what is ignored says by which line", (t) => {
  const { root } = treeOf(t, ["dist/app", "dist/keep", "x"]);
  const ignoreFile = { name: "sub/.dockerignore", lines: [3, 4] };
  const tree = new LocalTree(root, { excludes: ["dist", "!dist/keep"], ignoreFile });
  assert.equal(tree.whyMissing("dist/app"), '"sub/.dockerignore" line 3 ("dist") leaves it out');
  assert.equal(tree.whyMissing("dist/keep"), undefined);
  assert.equal(tree.whyMissing("dist/none"), undefined);
  assert.equal(tree.whyMissing("x"), undefined);
});

test("a root that is no directory is an error", (t) => {
  const { root } = treeOf(t, ["f"]);
  assert.throws(() => new LocalTree(`${root}/f`).list(""), { code: "CONTEXT" });
});

/** A directory with files that hold their own paths. */
function treeOf(t: TestContext, files: readonly string[], excludes: readonly string[] = []): LocalTree {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-local-tree-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), file);
    utimesSync(join(root, file), 1, 1);
  }
  return new LocalTree(root, { excludes });
}

function walk(tree: LocalTree, directory = ""): string[] {
  return tree.list(directory).flatMap((name) => {
    const path = directory === "" ? name : `${directory}/${name}`;
    return [path, ...walk(tree, path)];
  });
}
