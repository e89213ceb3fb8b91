// What COPY takes from its source: patterns, kept parents, exclusions, links, and what it says when nothing is there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import type { CopyAction } from "../../builder/graph/op.ts";
import type { FileTree } from "../../builder/layer/tree/file-tree.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";
import { select } from "../../builder/ops/file/select.ts";
import { copy, image, local, planned } from "./file-support.ts";

function names(tree: FileTree, source: string, fields: Partial<CopyAction> = {}): string[] {
  return select(copy(source, "/", fields), tree).flatMap((selected) =>
    selected.items.map(({ name, isParentOnly }) => `${selected.name}:${name}${isParentOnly ? " (parent)" : ""}`),
  );
}

test("a pattern names whole paths, part by part, and a directory that matches is not searched", () => {
  const tree = image({ "a/": {}, "a/x.txt": "", "a/b/": {}, "a/b/y.txt": "", "x.txt": "" });
  assert.deepEqual(names(tree, "/*.txt"), ["x.txt:"]);
  assert.deepEqual(names(tree, "/*/*.txt"), ["x.txt:"]);
  assert.deepEqual(names(tree, "/**/x.txt"), ["x.txt:"], "** is no more than * without --parents");
  assert.deepEqual(names(tree, "/a/[b-c]*"), ["b:", "b:y.txt"]);
  assert.deepEqual(names(tree, "/nothing*"), []);
  assert.throws(() => names(tree, "/nothing*", { allowEmptyWildcard: false }), BuildError);
  assert.throws(() => names(tree, "/[a"), /not a valid pattern/);
});

test("brackets and backslashes take names literally", () => {
  const tree = image({ "[a]": "", "s*r": "", str: "" });
  assert.deepEqual(names(tree, "/[[]a]"), ["[a]:"]);
  assert.deepEqual(names(tree, "/s\\*r*"), ["s*r:"]);
});

test("a source that is a link is followed inside the tree, and keeps its own name", () => {
  const tree = image({ "real/": {}, "real/f": "x", "l -> /real": {}, "up -> ../../real/f": {} });
  assert.deepEqual(names(tree, "/l"), ["l:", "l:f"]);
  assert.deepEqual(names(tree, "/up"), ["up:"]);
  assert.equal(select(copy("/up", "/"), tree)[0]?.path, "real/f");
  assert.equal(select(copy("/up", "/", { followSymlinks: false }), tree)[0]?.items[0]?.entry.type, "symlink");
});

test("--parents keeps what is behind the pivot and lists directories only above what is taken", () => {
  const tree = image({ "a/": {}, "a/b/": {}, "a/b/x.go": "", "a/b/y.c": "", "a/c/": {}, "a/c/y.c": "" });
  const parents = { parents: true };
  assert.deepEqual(names(tree, "/a/b/x.go", parents), [":", ":a (parent)", ":a/b (parent)", ":a/b/x.go"]);
  assert.deepEqual(names(tree, "/a/./**/*.go", parents), ["a:", "a:b (parent)", "a:b/x.go"]);
  assert.deepEqual(names(tree, "/a/./b", parents), ["a:", "a:b", "a:b/x.go", "a:b/y.c"]);
  assert.deepEqual(names(tree, "/*/./c", parents), ["a:", "a:c", "a:c/y.c"]);
  assert.deepEqual(names(tree, "/a/none*", parents), [":"]);
  assert.throws(() => names(tree, "/a/none", parents), /"\/a\/none": not found/);
});

test("--exclude is relative to the source, never takes the source itself, and ! takes back", () => {
  const tree = image({ "d/": {}, "d/a.txt": "", "d/s/": {}, "d/s/a.txt": "", "d/s/b.md": "" });
  assert.deepEqual(names(tree, "/d", { excludes: ["*.txt"] }), ["d:", "d:s", "d:s/a.txt", "d:s/b.md"]);
  assert.deepEqual(names(tree, "/d", { excludes: ["s", "!s/b.md"] }), ["d:", "d:a.txt", "d:s (parent)", "d:s/b.md"]);
  assert.deepEqual(names(tree, "/d/a.txt", { excludes: ["a.txt"] }), ["a.txt:"]);
});

test("a path that is not there is an error that says where, and why or what is near", (t) => {
  const tree = local(t, { "src/main.go": "", "dist/app": "" }, ["dist"]);
  const errorOf = (source: string): BuildError => {
    try {
      names(tree, source);
    } catch (error) {
      if (error instanceof BuildError) return error;
    }
    return assert.fail("no error");
  };
  assert.equal(errorOf("/dist/app").message, '"/dist/app": not found in the build context');
  assert.equal(errorOf("/dist/app").hint, '".dockerignore" ("dist") leaves it out');
  assert.equal(errorOf("/src/mian.go").hint, 'did you mean "src/main.go"?');
  assert.equal(errorOf("/scr/main.go").hint, 'did you mean "src/main.go"?');
  assert.equal(errorOf("/quite/different").hint, undefined);
  assert.equal(errorOf("/x").code, "CONTEXT");
});

test("a copy that fails to find its source makes no layer", async (t) => {
  await assert.rejects(planned(t, new RootfsView([]), image({}), copy("/x", "/")), { code: "INPUT_MISSING" });
});
