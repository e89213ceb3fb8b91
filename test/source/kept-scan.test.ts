// Who brings a client's folder says what it then is: what a new look at it says, whatever the client has changed.

import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { suite, test } from "node:test";
import { bytePath } from "../../builder/core/bytes/byte-path.ts";
import type { ClientFile } from "../../builder/core/client-file.ts";
import { FREE_SPACE } from "../../builder/core/space.ts";
import { removeTree } from "../../builder/core/system/remove-tree.ts";
import type { FolderPlace } from "../../builder/source/kept-folders.ts";
import { KeptFolders } from "../../builder/source/kept-folders.ts";
import { LocalTree } from "../../builder/source/local-tree.ts";
import { StatCache } from "../../builder/source/stat-cache.ts";
import type { TreeScan } from "../../builder/source/tree-scan.ts";
import { scanTree } from "../../builder/source/tree-scan.ts";

const MTIME_NS = 1_700_000_000_000_000_000n;
const COMMON = { uid: 0, gid: 0, size: 0, mode: 0o755, mtimeNs: MTIME_NS };

type Told = Pick<ClientFile, "type"> & Partial<ClientFile> & { readonly bytes?: string };
/** By path, in the order of their paths. */
type Folder = Readonly<Record<string, Told>>;

const FOLDER: Folder = {
  a: { type: "dir" },
  "a/b": { type: "dir" },
  "a/b/deep": { type: "file", bytes: "deep" },
  "a/empty": { type: "file" },
  "a/file": { type: "file", bytes: "file", mode: 0o644 },
  "a.txt": { type: "file", bytes: "between" },
  closed: { type: "dir", mode: 0o555 },
  "closed/in": { type: "file", bytes: "in", mode: 0o444 },
  link: { type: "symlink", link: "a/file", mode: 0o777 },
  one: { type: "file", bytes: "two names" },
  other: { type: "hardlink", link: "one" },
};

/** Brings a folder; gives what was asked for, and what it then is. */
function bring(place: FolderPlace, folder: Folder): { readonly asked: readonly string[]; scan: TreeScan | undefined } {
  using receiver = place.receive(() => undefined, FREE_SPACE);
  const asked: string[] = [];
  for (const [path, { bytes = "", ...told }] of Object.entries(folder)) {
    if (!receiver.entry({ ...COMMON, ...told, path, size: bytes.length })) continue;
    asked.push(path);
    receiver.data(path, Buffer.from(bytes));
    receiver.done(path);
  }
  return { asked, scan: receiver.finish().scan };
}

function without(path: string): Folder {
  return Object.fromEntries(Object.entries(FOLDER).filter(([each]) => each !== path && !each.startsWith(`${path}/`)));
}

/** The folder with another thing in place of one of its own. */
function withChange(path: string, change: Partial<Told>): Folder {
  return Object.fromEntries(
    Object.entries(FOLDER).map(([each, told]) => [each, each === path ? { ...told, ...change } : told]),
  );
}

const LATER = { mtimeNs: MTIME_NS + 1n };

suite("what a kept folder is said to be", () => {
  const CHANGES: Readonly<
    Record<string, { readonly to: Folder; readonly asked: readonly string[]; isKnown: boolean }>
  > = {
    nothing: { to: FOLDER, asked: [], isKnown: true },
    "other bytes": {
      to: withChange("a/b/deep", { ...LATER, bytes: "much longer" }),
      asked: ["a/b/deep"],
      isKnown: true,
    },
    "no bytes any more": { to: withChange("a/file", { ...LATER, bytes: "" }), asked: [], isKnown: true },
    "a file's mode": { to: withChange("a/file", { mode: 0o600 }), asked: ["a/file"], isKnown: true },
    "a directory's mode": { to: withChange("a/b", { mode: 0o711 }), asked: [], isKnown: true },
    "a directory's time": { to: withChange("a", LATER), asked: [], isKnown: true },
    "bytes of what cannot be written over": {
      to: withChange("closed/in", { ...LATER, bytes: "IN" }),
      asked: ["closed/in"],
      isKnown: false,
    },
    "bytes of what has two names": {
      to: withChange("one", { ...LATER, bytes: "TWO NAMES" }),
      asked: ["one"],
      isKnown: false,
    },
    "a link's target": { to: withChange("link", { link: "a/empty" }), asked: [], isKnown: false },
    "another second name": { to: withChange("other", { link: "a/file" }), asked: [], isKnown: false },
    "a file instead of a second name": {
      to: withChange("other", { ...LATER, type: "file", bytes: "alone" }),
      asked: ["other"],
      isKnown: false,
    },
    "a name that is gone": { to: without("a/file"), asked: [], isKnown: false },
    "a directory that is gone": { to: without("a"), asked: [], isKnown: false },
    "all gone": { to: {}, asked: [], isKnown: false },
    "a new name": { to: { ...FOLDER, z: { type: "file", bytes: "new" } }, asked: ["z"], isKnown: false },
    "a new directory": { to: { ...FOLDER, z: { type: "dir" } }, asked: [], isKnown: false },
    "a file that is a directory": {
      to: { ...withChange("one", { type: "dir" }), other: { type: "dir" }, "other/in": { type: "file", bytes: "x" } },
      asked: ["other/in"],
      isKnown: false,
    },
    "a directory that is a file": {
      to: { ...without("a"), a: { type: "file", bytes: "a" } },
      asked: ["a"],
      isKnown: false,
    },
  };
  for (const [name, { to, asked, isKnown }] of Object.entries(CHANGES)) {
    test(`is what it is after a change of ${name}`, (t) => {
      const root = storeFolder(t);
      using place = new KeptFolders(root).take("context");
      bring(place, FOLDER);
      const brought = bring(place, to);
      assert.deepEqual(brought.asked, asked);
      assert.equal(brought.scan !== undefined, isKnown);
      assertTold(place.directory, to);
      if (brought.scan !== undefined) assertTrue(brought.scan, place.directory);
      const again = bring(place, to);
      assert.deepEqual(again.asked, []);
      assert.ok(again.scan !== undefined, "nothing changed");
      assertTrue(again.scan, place.directory);
    });
  }

  test("is a state that a build knows at once, though its files have just come, and looks at nothing", (t) => {
    const root = storeFolder(t);
    using place = new KeptFolders(root).take("context");
    bring(place, FOLDER);
    const open = (scan: TreeScan | undefined): LocalTree => {
      const at = { storeDirectory: root, workDirectory: root, nowMs: 0 };
      const digestCache = StatCache.open(place.directory, at);
      assert.ok(digestCache, "the tests' folder is on a file system that is trusted");
      return new LocalTree(place.directory, { digestCache, kept: { scan } });
    };
    const { scan } = bring(place, FOLDER);
    for (const paths of [[""], ["a"], ["a/file", "closed"]]) {
      const state = open(scan).state(paths);
      assert.ok(state);
      assert.deepEqual(open(undefined).state(paths), state, "as without a scan");
    }
    const tree = open(scan);
    assert.ok(tree.state(["a"]));
    writeFileSync(join(place.directory, "unseen"), "");
    assert.deepEqual(tree.list(""), ["a", "a.txt", "closed", "link", "one", "other"]);
    assert.equal(tree.lstat("a/file")?.size, 4);
    const changed = bring(place, withChange("a/file", { ...LATER, bytes: "FILE" }));
    assert.equal(changed.scan, undefined, "a name that nobody told of has gone");
    const another = bring(place, withChange("a/file", { mtimeNs: MTIME_NS + 2n, bytes: "fILE" }));
    assert.notEqual(open(another.scan).state(["a"])?.digest, open(scan).state(["a"])?.digest);
    assert.deepEqual(open(another.scan).state(["closed"]), open(undefined).state(["closed"]));
  });
});

/** Whether it says what a new scan says, of the whole and of each directory. */
function assertTrue(scan: TreeScan, directory: string): void {
  const now = scanTree(directory, "", () => false);
  assert.ok(now !== undefined);
  assert.equal(scan.state(), now.state());
  assert.deepEqual(scan.settlings(), now.settlings());
  for (const path of ["", ...directoriesOf(directory)]) {
    assert.deepEqual(scan.directory(path)?.names, now.directory(path)?.names, path);
    if (path !== "") assert.equal(scan.directory(path)?.mtimeNs, now.directory(path)?.mtimeNs, path);
    const below = scanTree(directory, path, () => false);
    assert.equal(scan.below(path)?.state(), below?.state(), `below "${path}"`);
    assert.deepEqual(scan.below(path)?.settlings(), below?.settlings(), path);
  }
}

function assertTold(directory: string, folder: Folder): void {
  assert.deepEqual(names(directory).sort(), Object.keys(folder).sort());
  for (const [path, { type, mode = 0o755, mtimeNs = MTIME_NS, bytes = "" }] of Object.entries(folder)) {
    if (type === "hardlink") continue;
    const stat = lstatSync(join(directory, path), { bigint: true });
    assert.equal(stat.mtimeNs, mtimeNs, path);
    if (type !== "symlink") assert.equal(Number(stat.mode & 0o7777n), mode, path);
    if (type === "file") assert.equal(Number(stat.size), bytes.length, path);
  }
}

function names(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" });
}

function directoriesOf(directory: string): string[] {
  return names(directory).filter((path) => lstatSync(join(directory, path)).isDirectory());
}

/** With directories in it, in the end, that an ordinary user cannot write into. */
function storeFolder(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-kept-"));
  t.after(() => removeTree(bytePath(root)));
  return root;
}
