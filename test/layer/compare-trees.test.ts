// What differs between two stacks of layers, and which layer made it so.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { compareTrees } from "../../builder/layer/view/compare-trees.ts";
import type { TreeChange } from "../../builder/layer/view/compare-trees.ts";
import type { Entry } from "../../builder/layer/entry.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";

type Layers = readonly (readonly Entry[])[];
const NONE = { sharedLayers: 0, times: false };

suite("two stacks of layers", () => {
  test("differ by path, each with what differs and the layer that did it", () => {
    const base = [dir("etc"), file("etc/a", "1"), file("etc/b", "1"), file("etc/c", "1"), link("etc/l", "a")];
    const changes = compareTrees(
      [base],
      [base, [file("etc/a", "2"), file("etc/b", "1", { mode: 0o600, uid: 5 })], [whiteout("etc/c"), file("new", "x")]],
      { sharedLayers: 1, times: false },
    );
    assert.deepEqual(changes.map(short), [
      "changed etc/a content by b1",
      "changed etc/b mode owner by b1",
      "deleted etc/c by b2",
      "added new by b2",
    ]);
  });

  test("every field is told apart: type, link, device, attribute, other name, and time only where asked for", () => {
    const xattrs = (value: string): Partial<Entry> => ({ xattrs: { "user.x": Buffer.from(value) } });
    const a = [
      file("attr", "1", xattrs("1")),
      { ...plain("device", "char"), major: 1, minor: 3 },
      file("first", "1"),
      { ...plain("second", "hardlink"), link: "first" },
      file("kind", "1"),
      link("link", "one"),
      file("time", "1"),
    ];
    const b = [
      file("attr", "1", xattrs("2")),
      { ...plain("device", "char"), major: 1, minor: 5 },
      file("first", "1"),
      file("second", "1"),
      dir("kind"),
      link("link", "two"),
      file("time", "1", { mtimeNs: 5n }),
    ];
    const told = (times: boolean): string[] => compareTrees([a], [b], { sharedLayers: 0, times }).map(short);
    assert.deepEqual(told(false), [
      "changed attr xattr by b0",
      "changed device device by b0",
      "changed kind type by b0",
      "changed link link by b0",
      "changed second hardlink by b0",
    ]);
    assert.deepEqual(
      told(true).filter((line) => !told(false).includes(line)),
      ["changed time time by b0"],
    );
  });

  test("what changes a file changes all its names", () => {
    const base = [file("x", "1"), { ...plain("y", "hardlink"), link: "x" }];
    const both = [file("x", "2"), { ...plain("y", "hardlink"), link: "x" }];
    assert.deepEqual(compareTrees([base], [both], NONE).map(short), [
      "changed x content by b0",
      "changed y content by b0",
    ]);
    // One name is written anew: the other one keeps the old content, and is now a file of its own.
    assert.deepEqual(compareTrees([base], [base, [file("x", "2")]], { sharedLayers: 1, times: false }).map(short), [
      "changed x content by b1",
      "changed y hardlink by b1",
    ]);
  });

  test("a deletion is the work of whatever hides the path: its whiteout, its directory's, an opaque marker, a file in the directory's place", () => {
    const base = [dir("d"), dir("d/e"), file("d/e/f", "1")];
    const by = (...layer: Entry[]): string[] =>
      compareTrees([base], [base, layer, [file("other", "1")]], { sharedLayers: 1, times: false })
        .filter(({ path }) => path === "d/e/f")
        .map(short);
    assert.deepEqual(by(whiteout("d/e/f")), ["deleted d/e/f by b1"]);
    assert.deepEqual(by(whiteout("d")), ["deleted d/e/f by b1"]);
    assert.deepEqual(by(dir("d"), { ...plain("d", "opaque") }), ["deleted d/e/f by b1"]);
    assert.deepEqual(by(file("d/e", "now a file")), ["deleted d/e/f by b1"]);
  });

  test("what only the first image has is the work of its layer", () => {
    const base = [file("a", "1")];
    const changes = compareTrees([base, [file("b", "1")], [file("a", "2")]], [base], { sharedLayers: 1, times: false });
    assert.deepEqual(changes.map(short), ["changed a content by a2", "deleted b by a1"]);
  });

  test("differ exactly where the merged trees do, and some layer of one of them is always responsible", () => {
    fc.assert(
      fc.property(stacks, stacks, fc.nat(2), (left, right, shared) => {
        const a = left;
        const b = [...left.slice(0, shared), ...right];
        const sharedLayers = Math.min(shared, left.length);
        const changes = compareTrees(a, b, { sharedLayers, times: false });
        const [before, after] = [listing(a), listing(b)];
        const expected = [...new Set([...before.keys(), ...after.keys()])]
          .filter((path) => before.get(path) !== after.get(path))
          .sort();
        assert.deepEqual(changes.map(({ path }) => path).sort(), expected);
        for (const { by } of changes) {
          assert.ok(by.layer >= sharedLayers && by.layer < (by.side === "a" ? a : b).length);
        }
      }),
      { numRuns: 300 },
    );
  });
});

/** Each path with everything that is compared, hard links with the first name of their file. */
function listing(layers: Layers): Map<string, string> {
  const view = new RootfsView(layers.map((entries) => ({ entries, sources: () => Promise.resolve(new Map()) })));
  return new Map(
    view.entries().map((entry) => {
      const { mode, uid, gid, size, digest, link } = entry.type === "hardlink" ? fileOf(view, entry) : entry;
      const first = entry.type === "hardlink" ? entry.link : "";
      return [entry.path, JSON.stringify([entry.type, mode, uid, gid, size, digest, link, first])];
    }),
  );
}

function fileOf(view: RootfsView, entry: Entry): Entry {
  return view.lstat(entry.path) ?? entry;
}

const names = fc.constantFrom("a", "b", "c");
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const stacks = fc.array(
  fc
    .array(
      fc.record({
        path: paths,
        kind: fc.constantFrom("file", "file", "dir", "dir", "whiteout", "opaque", "hardlink"),
        text: names,
        target: paths,
      }),
      { maxLength: 8 },
    )
    .map((made) => wellFormed(made)),
  { maxLength: 3 },
);

/** A layer as reading a tar gives it: each path once, no entry below what is no directory, links to files that came before. */
function wellFormed(made: readonly { path: string; kind: string; text: string; target: string }[]): Entry[] {
  const entries = new Map<string, Entry>();
  const isBlocked = (path: string): boolean =>
    [...entries.values()].some(({ path: other, type }) => type !== "dir" && path.startsWith(`${other}/`));
  const hasBelow = (path: string): boolean => [...entries.keys()].some((other) => other.startsWith(`${path}/`));
  const opaques: Entry[] = [];
  for (const { path, kind, text, target } of made) {
    if (entries.has(path) || isBlocked(path)) continue;
    if (kind === "dir") entries.set(path, dir(path, text === "a" ? 0o700 : 0o755));
    else if (kind === "opaque") {
      entries.set(path, dir(path));
      opaques.push(plain(path, "opaque"));
    } else if (hasBelow(path)) continue;
    else if (kind === "file") entries.set(path, file(path, text));
    else if (kind === "whiteout") entries.set(path, whiteout(path));
    else if (entries.get(target)?.type === "file") entries.set(path, { ...plain(path, "hardlink"), link: target });
  }
  return [...entries.values(), ...opaques];
}

function short({ kind, path, fields, by }: TreeChange): string {
  return [kind, path, ...fields, "by", `${by.side}${by.layer}`].join(" ");
}

function plain(path: string, type: Entry["type"]): Entry {
  return { path, type, mode: 0o644, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
}

function file(path: string, text: string, more: Partial<Entry> = {}): Entry {
  return { ...plain(path, "file"), size: text.length, digest: `sha256:${text}`, ...more };
}

function dir(path: string, mode = 0o755): Entry {
  return { ...plain(path, "dir"), mode };
}

function link(path: string, target: string): Entry {
  return { ...plain(path, "symlink"), link: target };
}

function whiteout(path: string): Entry {
  return plain(path, "whiteout");
}
