// Merged layers show what the layers showed, whatever these did to each other.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { Entry, EntryType } from "../../builder/layer/entry.ts";
import { sortEntries } from "../../builder/layer/order.ts";
import { squashedEntries } from "../../builder/layer/squash.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";

type Layers = readonly (readonly Entry[])[];

const viewOf = (layers: Layers): RootfsView =>
  new RootfsView(layers.map((entries) => ({ entries, sources: () => Promise.resolve(new Map()) })));

/** The one layer that stands for those above `base`. */
function squash(layers: Layers, base: number): readonly Entry[] {
  const entries = squashedEntries(viewOf(layers), viewOf(layers.slice(0, base)));
  // As every layer is written: throws for a hard link to nothing.
  return sortEntries(entries.map((entry) => ({ entry }))).map(({ entry }) => entry);
}

function entry(path: string, type: EntryType, more: Partial<Entry> = {}): Entry {
  return { path, type, mode: type === "dir" ? 0o755 : 0o644, uid: 0, gid: 0, size: 0, mtimeNs: 0n, ...more };
}

const file = (path: string, size = 1): Entry => entry(path, "file", { size });

suite("a squashed layer", () => {
  const base = [entry("d", "dir"), file("d/a"), file("d/b"), entry("e", "dir"), file("e/x"), file("f")];

  test("has a whiteout for what the base has and nobody needs, and none for what only came and went", () => {
    const layers = [
      base,
      [file("d/new"), entry("d/b", "whiteout"), file("gone")],
      [entry("gone", "whiteout"), entry("e", "whiteout"), file("d/new", 2)],
    ];
    assert.deepEqual(
      squash(layers, 1).map(({ path, type, size }) => [path, type, size]),
      [
        ["d/b", "whiteout", 0],
        ["d/new", "file", 2],
        ["e", "whiteout", 0],
      ],
    );
  });

  test("needs no whiteouts when it is all there is", () => {
    const layers = [base, [entry("d", "whiteout"), entry("e", "opaque"), file("e/y")]];
    assert.deepEqual(
      squash(layers, 0).map(({ path, type }) => [path, type]),
      [
        ["e", "dir"],
        ["e/y", "file"],
        ["f", "file"],
      ],
    );
  });

  test("keeps names of one file together, and takes a copy of what only a lower layer has", () => {
    const both = [file("h/1", 3), entry("h/2", "hardlink", { link: "h/1" })];
    assert.deepEqual(
      squash([base, [entry("h", "dir"), ...both]], 1).map(({ path, type, link }) => [path, type, link]),
      [
        ["h", "dir", undefined],
        ["h/1", "file", undefined],
        ["h/2", "hardlink", "h/1"],
      ],
    );
    const intoBase = [entry("d/c", "hardlink", { link: "d/a" })];
    assert.deepEqual(
      squash([base, intoBase], 1).map(({ path, type }) => [path, type]),
      [["d/c", "file"]],
    );
  });

  test("has the root directory as the topmost of its layers lists it, and not that of the base", () => {
    const root = (mode: number): Entry => entry("", "dir", { mode, uid: 7, mtimeNs: 9n });
    const roots = (layers: Layers, base: number): readonly Entry[] =>
      squash(layers, base).filter(({ path }) => path === "");
    assert.deepEqual(roots([[root(0o700)], [root(0o711)], [file("x")]], 0), [root(0o711)]);
    assert.deepEqual(roots([[root(0o700)], [file("x")], [file("y")]], 1), []);
    assert.deepEqual(roots([[file("w")], [root(0o700)], [file("y")]], 1), [root(0o700)]);
    assert.deepEqual(roots([[file("x")], [file("y")]], 0), []);
  });

  test("shows the same tree as the layers it stands for", () => {
    const names = fc.constantFrom("a", "b", "c");
    const path = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const made = fc.record({
      path,
      type: fc.constantFrom<EntryType>("file", "dir", "symlink", "whiteout", "opaque"),
      size: fc.integer({ min: 0, max: 9 }),
    });
    const layer = fc.uniqueArray(made, { maxLength: 6, selector: ({ path: name }) => name }).map(cleaned);
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), fc.nat(3), (layers, at) => {
        const count = Math.min(at, layers.length);
        const whole = viewOf(layers);
        const again = viewOf([...layers.slice(0, count), squash(layers, count)]);
        assert.deepEqual(again.entries(), whole.entries());
        assert.deepEqual(again.lstat(""), whole.lstat(""));
      }),
      { numRuns: 2000 },
    );
  });
});

/** A layer as a tar has it: nothing below what is no directory, a directory above all that is in one. */
function cleaned(made: readonly { readonly path: string; readonly type: EntryType; readonly size: number }[]): Entry[] {
  const types = new Map(made.map(({ path, type }) => [path, type]));
  const isIn = (path: string): boolean => {
    const above = path.split("/").slice(0, -1);
    return above.every((_, at) => {
      const type = types.get(above.slice(0, at + 1).join("/"));
      return type === undefined || type === "dir" || type === "opaque";
    });
  };
  const kept = made.filter(({ path }) => isIn(path));
  const entries = kept.map(({ path, type, size }) =>
    entry(path, type, type === "file" ? { size } : type === "symlink" ? { link: "x" } : {}),
  );
  const listed = new Set(entries.map(({ path }) => path));
  for (const { path, type } of kept) {
    const parts = path.split("/");
    const depth = type === "opaque" ? parts.length + 1 : parts.length;
    for (let at = 1; at < depth; at++) {
      const directory = parts.slice(0, at).join("/");
      const isDirectory = at < parts.length || type === "opaque";
      if (
        isDirectory &&
        !(listed.has(directory) && types.get(directory) === "dir") &&
        !listed.has(`${directory} dir`)
      ) {
        listed.add(`${directory} dir`);
        entries.push(entry(directory, "dir"));
      }
    }
  }
  return sortEntries(entries.map((each) => ({ entry: each }))).map(({ entry: each }) => each);
}
