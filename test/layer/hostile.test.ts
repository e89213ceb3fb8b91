// Archives that try to write, link or delete outside the directory they are unpacked
// into, or to confuse whoever reads them. Each test has a sentinel beside the directory.

import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { lgetxattr } from "../../builder/core/system/syscall.ts";
import { apply, unpack } from "../../builder/layer/apply.ts";
import type { Member } from "./support.ts";
import { indexOf, isRoot, refuses, summary, tarOf, treeText } from "./support.ts";

const needsRoot = { skip: isRoot ? false : "needs root: gives files to their owners, makes device nodes" };
const check = (): void => undefined;

interface Place {
  readonly base: string;
  /** Where the archive is unpacked to. */
  readonly directory: string;
  readonly unpack: (members: readonly Member[]) => Promise<string[]>;
}

/** A directory with a sentinel file and a sentinel directory beside it; both are looked at when the test ends. */
function place(t: TestContext): Place {
  const base = mkdtempSync(join(tmpdir(), "tsbuild-layer-"));
  const directory = join(base, "in", "root");
  mkdirSync(join(base, "in"));
  mkdirSync(join(base, "outside"));
  writeFileSync(join(base, "outside/sentinel"), "safe");
  writeFileSync(join(base, "sentinel"), "safe");
  const before = treeText(join(base, "outside")).join();
  t.after(() => {
    assert.equal(treeText(join(base, "outside")).join(), before);
    assert.equal(readFileSync(join(base, "sentinel"), "utf8"), "safe");
    assert.deepEqual(readdirSync(base).sort(), ["blob", "in", "outside", "sentinel"]);
    rmSync(base, { recursive: true, force: true });
  });
  return {
    base,
    directory,
    unpack: async (members) => {
      writeFileSync(join(base, "blob"), tarOf(members));
      const request = {
        blobFile: join(base, "blob"),
        compression: "uncompressed",
        directory,
        overlayXattrs: "trusted",
      } as const;
      return summary((await apply(request, check)).entries);
    },
  };
}

test("absolute names land inside", needsRoot, async (t) => {
  const { directory, base, unpack } = place(t);
  assert.deepEqual(await unpack([{ name: join(base, "outside/sentinel"), content: "no" }]), [
    `${join(base, "outside/sentinel").slice(1)} file`,
  ]);
  assert.equal(readFileSync(join(directory, base, "outside/sentinel"), "utf8"), "no");
});

test('".." above the root is refused, and nothing is left', needsRoot, async (t) => {
  const { directory, unpack } = place(t);
  for (const name of ["../sentinel", "a/../../sentinel", "../../outside/sentinel", "/../sentinel", "..", "a/../.."]) {
    await refuses(
      unpack([
        { name: "first", content: "x" },
        { name, content: "no" },
      ]),
      /leads out of the archive/,
    );
    assert.equal(lstatSync(directory, { throwIfNoEntry: false }), undefined);
  }
});

test('".." inside the archive, "." and doubled slashes are tidied', needsRoot, async (t) => {
  const { unpack } = place(t);
  assert.deepEqual(await unpack([{ name: "./a//b/../c", content: "x" }, { name: "a/./d/" }]), ["a/c file", "a/d dir"]);
});

test("a member below a link of the same archive stays inside, absolute or relative", needsRoot, async (t) => {
  const { directory, base, unpack } = place(t);
  const entries = await unpack([
    { name: "abs", type: "symlink", link: join(base, "outside") },
    { name: "abs/sentinel", content: "no" },
    { name: "up", type: "symlink", link: "../../outside" },
    { name: "up/sentinel", content: "no" },
    { name: "real/" },
    { name: "to-real", type: "symlink", link: "/real" },
    { name: "to-real/f", content: "yes" },
  ]);
  assert.ok(entries.includes("real/f file"));
  assert.ok(entries.includes("outside/sentinel file"));
  assert.equal(readFileSync(join(directory, "real/f"), "utf8"), "yes");
});

test("links in a circle are refused", needsRoot, async (t) => {
  const { unpack } = place(t);
  await refuses(
    unpack([
      { name: "a", type: "symlink", link: "b" },
      { name: "b", type: "symlink", link: "a" },
      { name: "a/f", content: "x" },
    ]),
    /too many links/,
  );
  await refuses(
    unpack([
      { name: "a", type: "symlink", link: "a/a/a" },
      { name: "a/f", content: "x" },
    ]),
    /too many links/,
  );
});

test("a file over a link replaces the link, not its target", needsRoot, async (t) => {
  const { directory, base, unpack } = place(t);
  await unpack([
    { name: "l", type: "symlink", link: join(base, "outside/sentinel") },
    { name: "l", content: "mine" },
  ]);
  assert.equal(readFileSync(join(directory, "l"), "utf8"), "mine");
});

test("a directory over a link replaces the link", needsRoot, async (t) => {
  const { directory, base, unpack } = place(t);
  const entries = await unpack([
    { name: "l", type: "symlink", link: join(base, "outside") },
    { name: "l/", mode: 0o700 },
    { name: "l/sentinel", content: "mine" },
  ]);
  assert.deepEqual(entries, ["l dir", "l/sentinel file"]);
  assert.equal(readFileSync(join(directory, "l/sentinel"), "utf8"), "mine");
});

test("hard links reach only what the archive has made", needsRoot, async (t) => {
  const { base, unpack } = place(t);
  const outside = join(base, "outside/sentinel");
  const link = (target: string): Member[] => [{ name: "h", type: "hardlink", link: target }];
  await refuses(unpack(link(outside)), /does not hold/);
  await refuses(unpack(link("../../outside/sentinel")), /leads out/);
  await refuses(
    unpack([
      { name: "l", type: "symlink", link: outside },
      { name: "h", type: "hardlink", link: "l/x" },
    ]),
    /does not hold/,
  );
  await refuses(unpack([{ name: "d/" }, { name: "h", type: "hardlink", link: "d" }]), /does not hold/);
  await refuses(unpack(link("later").concat({ name: "later", content: "x" })), /does not hold/);
});

test("a hard link to a link is another name of the link itself, and is not written through", needsRoot, async (t) => {
  const { directory, base, unpack } = place(t);
  await unpack([
    { name: "l", type: "symlink", link: join(base, "outside/sentinel") },
    { name: "h", type: "hardlink", link: "l" },
    { name: "h", content: "mine" },
  ]);
  assert.equal(readFileSync(join(directory, "h"), "utf8"), "mine");
  assert.ok(lstatSync(join(directory, "l")).isSymbolicLink());
});

test("a link that replaces the directory of its own target is refused", needsRoot, async (t) => {
  const { unpack } = place(t);
  await refuses(
    unpack([
      { name: "d/f", content: "x" },
      { name: "d", type: "hardlink", link: "d/f" },
    ]),
    /replaces what it links to/,
  );
});

test("members inside a file are refused", needsRoot, async (t) => {
  const { unpack } = place(t);
  await refuses(
    unpack([
      { name: "f", content: "x" },
      { name: "f/g", content: "y" },
    ]),
    /inside a file/,
  );
});

test("the last of several members with one name wins, whatever they are", needsRoot, async (t) => {
  const { directory, unpack } = place(t);
  const entries = await unpack([
    { name: "a", content: "one" },
    { name: "a", content: "two" },
    { name: "d/" },
    { name: "d/deep/file", content: "gone" },
    { name: "d", content: "now a file" },
    { name: "f", content: "x" },
    { name: "f/" },
    { name: "f/in", content: "y" },
    { name: "p", type: "fifo" },
    { name: "p", type: "symlink", link: "a" },
    { name: "dir/" },
    { name: "dir/kept", content: "z" },
    { name: "dir/", mode: 0o711 },
  ]);
  assert.deepEqual(entries, ["a file", "d file", "f dir", "f/in file", "p symlink a", "dir dir", "dir/kept file"]);
  assert.equal(readFileSync(join(directory, "a"), "utf8"), "two");
  assert.equal(lstatSync(join(directory, "dir")).mode & 0o777, 0o711);
});

test("another name keeps the content of a file that is replaced", needsRoot, async (t) => {
  const { directory, unpack } = place(t);
  const entries = await unpack([
    { name: "a", content: "old" },
    { name: "b", type: "hardlink", link: "a" },
    { name: "c", type: "hardlink", link: "b" },
    { name: "a", content: "new" },
  ]);
  assert.deepEqual(entries, ["b file", "c hardlink b", "a file"]);
  assert.equal(readFileSync(join(directory, "c"), "utf8"), "old");
});

test("whiteouts of nothing, of the directory itself and of its parent are refused", needsRoot, async (t) => {
  const { unpack } = place(t);
  for (const name of [".wh.", "d/.wh.", ".wh..", "d/.wh..", ".wh...", "d/.wh..."]) {
    await refuses(unpack([{ name: "d/" }, { name }]), /whiteout of nothing/);
  }
  await refuses(unpack([{ name: ".wh.x/" }, { name: ".wh.x/f", content: "no" }]), /inside a whiteout/);
});

test("AUFS's own files are left out", needsRoot, async (t) => {
  const { unpack } = place(t);
  assert.deepEqual(
    await unpack([
      { name: ".wh..wh.aufs", content: "" },
      { name: ".wh..wh.plnk/" },
      { name: ".wh..wh.plnk/1.2", content: "x" },
      { name: "f" },
    ]),
    ["f file"],
  );
});

test("a whiteout beside what it names hides only lower layers", needsRoot, async (t) => {
  const { directory, unpack } = place(t);
  const entries = await unpack([
    { name: ".wh.gone" },
    { name: ".wh.d" },
    { name: "d/" },
    { name: "d/f", content: "x" },
    { name: "e/" },
    { name: ".wh.e" },
    { name: "f", content: "x" },
    { name: ".wh.f" },
    { name: ".wh.sub" },
    { name: "sub/deep/f", content: "x" },
    { name: "o/.wh..wh..opq" },
  ]);
  assert.deepEqual(entries, [
    "gone whiteout",
    "d dir",
    "d opaque",
    "d/f file",
    "e dir",
    "e opaque",
    "f file",
    "sub opaque",
    "sub/deep/f file",
    "o opaque",
  ]);
  assert.equal(lgetxattr(join(directory, "d"), "trusted.overlay.opaque")?.length, 1);
  assert.equal(lgetxattr(join(directory, "sub"), "trusted.overlay.opaque")?.length, 1);
  assert.ok(lstatSync(join(directory, "gone")).isCharacterDevice());
});

test("attributes of overlayfs in an archive do not reach the disk or the index", needsRoot, async (t) => {
  const { directory, base, unpack } = place(t);
  const y = Uint8Array.of(0x79);
  const names = ["trusted.overlay.opaque", "user.overlay.opaque", "trusted.overlay.redirect", "user.ok"];
  await unpack([{ name: "d/", xattrs: Object.fromEntries(names.map((name) => [name, y])) }]);
  assert.deepEqual(
    names.map((name) => lgetxattr(join(directory, "d"), name)?.length),
    [undefined, undefined, undefined, 1],
  );
  const [entry] = indexOf(readFileSync(join(base, "blob")));
  assert.deepEqual(Object.keys(entry?.xattrs ?? {}), ["user.ok"]);
});

test("device numbers and owners out of range are refused", needsRoot, async (t) => {
  const { unpack } = place(t);
  await refuses(unpack([{ name: "dev", type: "block", major: 5000, minor: 1 }]), /out of range/);
  await refuses(unpack([{ name: "f", uid: 0xffffffff }]), /out of range/);
});

test(
  "a character device 0:0 is what overlayfs takes it for: a whiteout, on disk and in the index",
  needsRoot,
  async (t) => {
    const { directory, unpack } = place(t);
    assert.deepEqual(await unpack([{ name: "dev", type: "char", major: 0, minor: 0 }]), ["dev whiteout"]);
    assert.deepEqual(treeText(directory), ["dev whiteout"]);
  },
);

test("names and targets longer than a path may be are refused", needsRoot, async (t) => {
  const { unpack } = place(t);
  await refuses(unpack([{ name: "a/".repeat(3000) + "f", content: "x" }]), /too long/);
  await refuses(unpack([{ name: "l", type: "symlink", link: "t".repeat(5000) }]), /too long/);
});

test("unpacking for ADD and single paths write nothing but plain files under names of their own", async (t) => {
  const { base, directory } = place(t);
  writeFileSync(
    join(base, "blob"),
    tarOf([
      { name: "l", type: "symlink", link: join(base, "outside") },
      { name: "l/sentinel", content: "in" },
      { name: "0", content: "zero" },
      { name: "h", type: "hardlink", link: "0" },
      { name: ".wh.x", content: "name" },
    ]),
  );
  const sourced = await unpack({ archiveFile: join(base, "blob"), directory }, check);
  assert.deepEqual(summary(sourced.map(({ entry }) => entry)).slice(1), [
    `${base.slice(1)}/outside/sentinel file`,
    "0 file",
    "h hardlink 0",
    ".wh.x file",
  ]);
  assert.deepEqual(
    sourced.flatMap(({ source }) => (source?.kind === "path" ? [readFileSync(source.path, "utf8")] : [])),
    ["in", "zero", "name"],
  );
  writeFileSync(
    join(base, "blob"),
    tarOf([
      { name: "a", content: "first" },
      { name: "b", type: "hardlink", link: "a" },
      { name: "a", content: "second" },
      { name: "s/.member-0", content: "m" },
    ]),
  );
  const only = {
    blobFile: join(base, "blob"),
    compression: "uncompressed",
    overlayXattrs: "user",
    directory: join(base, "in/only"),
    only: ["b", "s/.member-0", "nowhere"],
  } as const;
  await apply(only, check);
  assert.deepEqual(readdirSync(join(base, "in")).sort(), ["only", "root"]);
  assert.equal(readFileSync(join(base, "in/only/b"), "utf8"), "first");
  assert.deepEqual(treeText(join(base, "in/only")).length, 3);
});

test("a link planted where the layer goes is not followed", needsRoot, async (t) => {
  const { base, directory, unpack } = place(t);
  mkdirSync(directory);
  symlinkSync(join(base, "outside"), join(directory, "d"));
  await assert.rejects(unpack([{ name: "d/sentinel", content: "no" }]), /EEXIST/);
});
