// What layers weigh, what of it is wasted, and what one layer does to the tree below it.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Entry } from "../../builder/layer/entry.ts";
import type { MarkedNode } from "../../builder/layer/tree/marked-tree.ts";
import { markedTree } from "../../builder/layer/tree/marked-tree.ts";
import { weighLayers } from "../../builder/layer/view/usage.ts";

suite("the weight of layers", () => {
  test("is that of files and link targets, each inode once, and what later layers hide is wasted", () => {
    const usage = weighLayers([
      [dir("d"), file("d/kept", 10), file("d/replaced", 20), file("d/removed", 30), link("l", "d/kept")],
      [file("d/replaced", 25), other("d/again", "d/replaced"), whiteout("d/removed")],
      [file("d/replaced", 1)],
    ]);
    assert.deepEqual(
      usage.layers.map(({ files, bytes, wastedBytes, removed }) => ({ files, bytes, wastedBytes, removed })),
      [
        { files: 3, bytes: 66, wastedBytes: 50, removed: 0 },
        // Its other name still shows the replaced file.
        { files: 1, bytes: 25, wastedBytes: 0, removed: 1 },
        { files: 1, bytes: 1, wastedBytes: 0, removed: 0 },
      ],
    );
    assert.deepEqual([usage.bytes, usage.wastedBytes], [92, 50]);
    assert.deepEqual(usage.wasted, [
      { path: "d/removed", bytes: 30, copies: 1 },
      { path: "d/replaced", bytes: 20, copies: 1 },
    ]);
  });

  test("a path that is written again and again wastes all but the last copy; so does an opaque directory", () => {
    const { wasted } = weighLayers([[file("f", 5)], [file("f", 6)], [file("f", 7)]]);
    assert.deepEqual(wasted, [{ path: "f", bytes: 11, copies: 2 }]);
    const hidden = weighLayers([
      [dir("d"), file("d/f", 5)],
      [dir("d"), { ...plain("d", "opaque") }, file("d/g", 1)],
    ]);
    assert.deepEqual([hidden.wastedBytes, hidden.layers[1]?.removed], [5, 1]);
  });
});

suite("the marked tree of a layer", () => {
  const layers = [
    [dir("d"), file("d/a", 1), file("d/b", 2), dir("e"), file("e/f", 3)],
    [dir("d"), file("d/a", 9), file("d/new", 4), whiteout("d/b"), dir("e", 0o700)],
    [whiteout("d")],
  ];
  const marks = (layer: number): string[] => {
    const lines: string[] = [];
    const visit = ({ name, mark, bytes, children = [] }: MarkedNode, depth: number): void => {
      if (name !== "") lines.push(`${"  ".repeat(depth)}${name} ${mark} ${bytes}`);
      for (const child of children) visit(child, depth + (name === "" ? 0 : 1));
    };
    visit(markedTree(layers, layer), 0);
    return lines;
  };

  test("says what is added, changed and removed; a directory that is merely listed again is the same", () => {
    assert.deepEqual(marks(0), ["d added 3", "  a added 1", "  b added 2", "e added 3", "  f added 3"]);
    assert.deepEqual(marks(1), [
      "d same 13",
      "  a changed 9",
      "  b deleted 0",
      "  new added 4",
      "e changed 3",
      "  f same 3",
    ]);
  });

  test("what goes with a directory is removed too", () => {
    assert.deepEqual(marks(2), ["d deleted 0", "  a deleted 0", "  new deleted 0", "e same 3", "  f same 3"]);
  });
});

function plain(path: string, type: Entry["type"]): Entry {
  return { path, type, mode: 0o644, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
}

function file(path: string, size: number): Entry {
  return { ...plain(path, "file"), size };
}

function dir(path: string, mode = 0o755): Entry {
  return { ...plain(path, "dir"), mode };
}

function link(path: string, target: string): Entry {
  return { ...plain(path, "symlink"), link: target };
}

function other(path: string, target: string): Entry {
  return { ...plain(path, "hardlink"), link: target };
}

function whiteout(path: string): Entry {
  return plain(path, "whiteout");
}
