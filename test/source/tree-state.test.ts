// A client's tree says in what state it is: the same digest only for the same files, and none where it cannot know.

import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { suite, test } from "node:test";

import { LocalTree } from "../../builder/source/local-tree.ts";
import { StatCache } from "../../builder/source/stat-cache.ts";
import { NEVER, temporaryFolder } from "./support.ts";

const LATER_MS = 60_000;

type State = ReturnType<LocalTree["state"]>;

interface World {
  readonly root: string;
  readonly open: (excludes?: readonly string[], nowMs?: number) => LocalTree;
}

/** A context of some files; `open` looks at it as a build does that begins a minute later. */
function world(t: TestContext): World {
  const folder = temporaryFolder(t);
  const root = path.join(folder, "context");
  for (const name of ["src/deep", "other", "node_modules/.bin"]) mkdirSync(path.join(root, name), { recursive: true });
  for (const name of ["src/a", "src/deep/b", "src/deep/caf\xe9", "other/c", "node_modules/d", "file"])
    writeFileSync(path.join(root, name), name);
  linkSync(path.join(root, "src/a"), path.join(root, "src/also"));
  symlinkSync("deep", path.join(root, "src/link"));
  return {
    root,
    open(excludes = [], nowMs = Date.now() + LATER_MS) {
      const digestCache = StatCache.open(root, { storeDirectory: folder, workDirectory: folder, nowMs });
      assert.ok(digestCache, "the tests' folder is on a file system that is trusted");
      return new LocalTree(root, { excludes, digestCache });
    },
  };
}

suite("the state of a client's tree", () => {
  test("is the same for as long as nothing happens, and another one for other paths and patterns", (t) => {
    const { open } = world(t);
    const state = open().state([""]);
    assert.ok(state);
    assert.deepEqual(open().state([""]), state);
    const others = [["src"], ["other"], ["file"], ["src", "file"], ["src/deep"]].map((paths) => open().state(paths));
    const digests = [state, ...others, open(["x"]).state([""])].map((each) => each?.digest);
    assert.equal(new Set(digests).size, 7);
    assert.ok(!digests.includes(undefined));
  });

  const CHANGES: Readonly<Record<string, (root: string) => void>> = {
    "other bytes of the same size under the same mtime": (root) => {
      const { atime, mtime } = lstatSync(`${root}/src/deep/b`);
      writeFileSync(`${root}/src/deep/b`, "src/deep/B");
      utimesSync(`${root}/src/deep/b`, atime, mtime);
    },
    "a mode": (root) => chmodSync(`${root}/src/deep/b`, 0o755),
    "the mode of a directory": (root) => chmodSync(`${root}/src/deep`, 0o700),
    "the mode of where it begins": (root) => chmodSync(`${root}/src`, 0o700),
    "a new name": (root) => writeFileSync(`${root}/src/deep/new`, ""),
    "a name that is gone": (root) => rmSync(`${root}/src/deep/b`),
    "a name that is another one": (root) => renameSync(`${root}/src/deep/b`, `${root}/src/deep/bb`),
    "a file that is a directory": (root) => {
      rmSync(`${root}/src/deep/b`);
      mkdirSync(`${root}/src/deep/b`);
    },
    "an empty directory": (root) => mkdirSync(`${root}/src/empty`),
    "another link": (root) => {
      rmSync(`${root}/src/link`);
      symlinkSync("peed", `${root}/src/link`);
    },
    "a second name of a file that is elsewhere": (root) => linkSync(`${root}/src/deep/b`, `${root}/other/link`),
  };
  for (const [name, change] of Object.entries(CHANGES)) {
    test(`changes with ${name}`, (t) => {
      const { root, open } = world(t);
      const before = open().state(["src"]);
      change(root);
      const after = open().state(["src"]);
      assert.ok(before && after);
      assert.notEqual(after.digest, before.digest);
    });
  }

  test("is not touched by what lies beside, is left out as a folder, or by the time of a folder", (t) => {
    const { root, open } = world(t);
    const excludes = ["node_modules", "!other"];
    const states = (): State[] => [open(excludes).state([""]), open().state(["src", "file"])];
    const before = states();
    writeFileSync(`${root}/node_modules/.bin/new`, "");
    appendFileSync(`${root}/node_modules/d`, "!");
    utimesSync(`${root}/src/deep`, 1, 1);
    assert.deepEqual(states(), before);
  });

  test("cannot be told through a link, of a link, of nothing, and of what has just changed", (t) => {
    const { root, open } = world(t);
    for (const paths of [["src/link"], ["src/link/b"], ["nothing"], ["src", "nothing"], ["file/x"]])
      assert.equal(open().state(paths), undefined, paths.join(" "));
    assert.equal(open(["src"]).state(["src"]), undefined);
    appendFileSync(`${root}/src/deep/b`, "!");
    assert.equal(open([], Date.now()).state([""]), undefined);
    assert.equal(open([], Date.now()).state(["src/deep/b"]), undefined);
    assert.equal(new LocalTree(root).state([""]), undefined);
  });

  test("leaves the tree as it is without", async (t) => {
    const { open } = world(t);
    for (const excludes of [[], ["node_modules", "src/deep", "!src/deep/b"], ["**/a*"]]) {
      const [plain, asked] = [open(excludes), open(excludes)];
      assert.ok(asked.state([""]));
      assert.deepEqual(walked(asked), walked(plain));
      const files = [...walked(plain)].flatMap(([at, { entry }]) => (entry?.type === "file" ? [at] : []));
      assert.deepEqual(await asked.digests(files, NEVER), await plain.digests(files, NEVER));
    }
  });
});

function walked(tree: LocalTree): Map<string, { entry: ReturnType<LocalTree["lstat"]>; inode: string }> {
  const found: ReturnType<typeof walked> = new Map();
  const visit = (at: string): void => {
    found.set(at, { entry: tree.lstat(at), inode: tree.inode(at) });
    for (const name of tree.list(at)) visit(at === "" ? name : `${at}/${name}`);
  };
  visit("");
  return found;
}
