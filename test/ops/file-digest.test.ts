// Which changes of a source change a cache key.

import assert from "node:assert/strict";
import { chmodSync, linkSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CopyAction } from "../../builder/graph/op.ts";
import type { FileTree } from "../../builder/layer/tree/file-tree.ts";
import { selectionDigest, treeDigest } from "../../builder/ops/file/digest.ts";
import { LocalTree } from "../../builder/source/local-tree.ts";
import { copy, image, local, never } from "./file-support.ts";

async function digest(tree: FileTree, source: string, fields: Partial<CopyAction> = {}): Promise<string> {
  return await selectionDigest(
    { kind: "file", destination: -1, actions: [copy(source, "/", { from: 0, ...fields })] },
    [tree],
    never,
  );
}

test("of a client's files names, modes, links and bytes count; times, owners and what is not copied do not", async (t) => {
  const { root } = local(t, { "d/f": "x", "d/l -> f": "", other: "1" });
  const at = (path: string): string => join(root, path);
  const now = async (): Promise<string> => await digest(new LocalTree(root), "/d", { resetOwner: true });
  const first = await now();
  utimesSync(at("d/f"), 1, 1);
  writeFileSync(at("other"), "2");
  assert.equal(await now(), first);
  chmodSync(at("d/f"), 0o600);
  const withMode = await now();
  assert.notEqual(withMode, first);
  writeFileSync(at("d/f"), "y");
  const withBytes = await now();
  assert.notEqual(withBytes, withMode);
  linkSync(at("d/f"), at("d/g"));
  const withLink = await now();
  assert.notEqual(withLink, withBytes);
  rmSync(at("d/g"));
  writeFileSync(at("d/g"), "y", { mode: 0o600 });
  assert.notEqual(await now(), withLink, "two files are not two names of one");
});

test("of an image owners, capabilities and devices count as well", async () => {
  const capability = { xattrs: { "security.capability": Buffer.from([1]) } };
  const variants = [
    image({ f: "x" }),
    image({ f: { content: "x", uid: 1 } }),
    image({ f: { content: "x", gid: 1 } }),
    image({ f: { content: "x", ...capability } }),
    image({ f: { type: "char", major: 1, minor: 3 } }),
    image({ f: { type: "char", major: 1, minor: 5 } }),
  ];
  const digests = await Promise.all(variants.map(async (tree) => await digest(tree, "/f")));
  assert.equal(new Set(digests).size, variants.length);
  assert.equal(await digest(image({ f: { content: "x", mtimeNs: 9n } }), "/f"), digests[0]);
});

test("the name counts where a pattern chose it, and not where the contents of a directory are copied", async () => {
  assert.notEqual(await digest(image({ a1: "x" }), "/a*"), await digest(image({ a2: "x" }), "/a*"));
  assert.equal(
    await digest(image({ "d1/": {}, "d1/f": "x" }), "/d1"),
    await digest(image({ "d2/": { mode: 0o700 }, "d2/f": "x" }), "/d2"),
  );
});

test("a whole tree has a digest from any of its directories, also through a link", async () => {
  const tree = image({ "d/": {}, "d/f": "x", "l -> d": {} });
  assert.equal(await treeDigest(tree, "l", never), await treeDigest(tree, "d", never));
  assert.notEqual(await treeDigest(tree, "", never), await treeDigest(tree, "d", never));
  assert.notEqual(await treeDigest(tree, "none", never), await treeDigest(tree, "d", never));
});
