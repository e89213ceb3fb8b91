// Where COPY puts things, and what the layer says of it.

import assert from "node:assert/strict";
import { chmodSync, linkSync, lutimesSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytePath } from "../../builder/core/bytes/byte-path.ts";
import { LocalTree } from "../../builder/source/local-tree.ts";
import { copy, image, layerOf, local, NOW, plan, planned } from "./file-support.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";

const empty = new RootfsView([]);

test("a file goes to a name, into a directory that exists, or into one that a slash asks for", async (t) => {
  const source = local(t, { f: "x" });
  const base = image({ "dir/": {}, "dir/old": "o" });
  assert.deepEqual(await planned(t, base, source, copy("/f", "/name")), ["name file 0644 0:0 x"]);
  assert.deepEqual(await planned(t, base, source, copy("/f", "/dir")), ["dir dir 0755 0:0", "dir/f file 0644 0:0 x"]);
  assert.deepEqual(await planned(t, base, source, copy("/f", "/new/sub/")), [
    "new dir 0755 0:0",
    "new/sub dir 0755 0:0",
    "new/sub/f file 0644 0:0 x",
  ]);
});

test("of a directory its contents are copied; several files onto one name leave the last", async (t) => {
  const source = local(t, { "d/a": "1", "d/sub/b": "2", x1: "first", x2: "last" });
  assert.deepEqual(await planned(t, empty, source, copy("/d", "/to")), [
    "to dir 0755 0:0",
    "to/a file 0644 0:0 1",
    "to/sub dir 0755 0:0",
    "to/sub/b file 0644 0:0 2",
  ]);
  assert.deepEqual(await planned(t, empty, source, copy("/x*", "/one")), ["one file 0644 0:0 last"]);
});

test("a directory copied whole keeps its name and attributes", async (t) => {
  const source = image({ "d/": { mode: 0o750, uid: 3, gid: 4, mtimeNs: 5n }, "d/f": "x" });
  const entries = await plan(t, image({ "to/": {} }), source, copy("/d", "/to", { dirContentsOnly: false }));
  assert.deepEqual(
    entries.map(({ entry }) => [entry.path, entry.mode, entry.uid, entry.mtimeNs]),
    [
      ["to", 0o755, 0, NOW],
      ["to/d", 0o750, 3, 5n],
      ["to/d/f", 0o644, 0, 0n],
    ],
  );
});

test("files and directories keep their times; the directory copied into takes the source's, made parents the build's", async (t) => {
  const source = local(t, { "d/sub/f": "x", "d/l -> f": "" });
  utimesSync(join(source.root, "d/sub/f"), 1, 1);
  lutimesSync(join(source.root, "d/l"), 2, 2);
  utimesSync(join(source.root, "d/sub"), 3, 3);
  utimesSync(join(source.root, "d"), 4, 4);
  const entries = await plan(t, empty, source, copy("/d", "/made/to"));
  const times = Object.fromEntries(entries.map(({ entry }) => [entry.path, entry.mtimeNs]));
  assert.deepEqual(times, {
    made: NOW,
    "made/to": 4_000_000_000n,
    "made/to/l": 2_000_000_000n,
    "made/to/sub": 3_000_000_000n,
    "made/to/sub/f": 1_000_000_000n,
  });
});

test("an existing directory keeps owner and mode at the top of a copy and takes the source's below", async (t) => {
  const base = image({ "to/": { mode: 0o700, uid: 9, gid: 9 }, "to/sub/": { mode: 0o700, uid: 9, gid: 9 } });
  const source = image({ "d/": { mode: 0o711 }, "d/sub/": { mode: 0o755, uid: 1, gid: 2 }, "d/sub/f": "x" });
  assert.deepEqual(await planned(t, base, source, copy("/d", "/to")), [
    "to dir 0700 9:9",
    "to/sub dir 0755 1:2",
    "to/sub/f file 0644 0:0 x",
  ]);
});

test("links in the destination path are followed inside the root; what a copy brings replaces links", async (t) => {
  const base = image({ "real/": {}, "l -> /real": {}, "out -> ../../outside": {}, "d/": {}, "d/f -> ../real": {} });
  const source = local(t, { f: "x" });
  assert.deepEqual(await planned(t, base, source, copy("/f", "/l/")), ["real dir 0755 0:0", "real/f file 0644 0:0 x"]);
  assert.deepEqual(await planned(t, base, source, copy("/f", "/out/")), [
    "outside dir 0755 0:0",
    "outside/f file 0644 0:0 x",
  ]);
  assert.deepEqual(await planned(t, base, source, copy("/f", "/d/")), ["d dir 0755 0:0", "d/f file 0644 0:0 x"]);
});

test("a file does not replace a directory, nor a directory a file or a link, unless everything is to be replaced", async (t) => {
  const source = local(t, { "s/x": "file", "p/y/z": "in a directory" });
  const base = image({ "to/x/": {}, "to/y -> x": {}, file: "" });
  await assert.rejects(planned(t, base, source, copy("/s", "/to")), /cannot replace to directory \/to\/x with file/);
  await assert.rejects(planned(t, base, source, copy("/p", "/to")), /cannot copy to non-directory: \/to\/y/);
  await assert.rejects(planned(t, base, source, copy("/s/x", "/file/")), /mkdir \/file: not a directory/);
  assert.deepEqual(
    await planned(
      t,
      base,
      source,
      copy("/s", "/to", { alwaysReplace: true }),
      copy("/p", "/to", { alwaysReplace: true }),
    ),
    ["to dir 0755 0:0", "to/x file 0644 0:0 file", "to/y dir 0755 0:0", "to/y/z file 0644 0:0 in a directory"],
  );
});

test("owner and mode go to everything copied and to made directories; links get no mode", async (t) => {
  const source = local(t, { "d/f": "x", "d/l -> f": "" });
  const fields = { owner: { user: 5, group: 6 }, mode: { octal: 0o4600 } };
  assert.deepEqual(await planned(t, empty, source, copy("/d", "/a/b", fields)), [
    "a dir 0600 5:6",
    "a/b dir 0600 5:6",
    "a/b/f file 4600 5:6 x",
    "a/b/l symlink 5:6 f",
  ]);
});

test("owners by name come from the destination; an unknown name is root", async (t) => {
  const base = image({ "etc/passwd": "web:x:33:34::/:/bin/sh\n", "etc/group": "mail:x:8:\n" });
  const source = local(t, { f: "" });
  const ownerOf = async (user: string, group?: string): Promise<string | undefined> =>
    (
      await planned(t, base, source, copy("/f", "/f", { owner: { user, ...(group === undefined ? {} : { group }) } }))
    )[0]?.split(" ")[3];
  assert.equal(await ownerOf("web"), "33:34");
  assert.equal(await ownerOf("web", "mail"), "33:8");
  assert.equal(await ownerOf("nobody", "nogroup"), "0:0");
});

test("made directories inherit from a setgid directory, copied ones do not", async (t) => {
  const base = image({ "g/": { mode: 0o2775, gid: 50 } });
  const source = local(t, { "d/sub/f": "x" });
  chmodSync(join(source.root, "d/sub"), 0o755);
  assert.deepEqual(await planned(t, base, source, copy("/d", "/g/made")), [
    "g dir 2775 0:50",
    "g/made dir 2755 0:50",
    "g/made/sub dir 0755 0:0",
    "g/made/sub/f file 0644 0:0 x",
  ]);
});

test("names of one file stay links to it within a source, and become files of their own between sources", async (t) => {
  const made = local(t, { "d/a": "x" });
  linkSync(join(made.root, "d/a"), join(made.root, "d/b"));
  const source = new LocalTree(made.root);
  assert.deepEqual(await planned(t, empty, source, copy("/d", "/")), ["a file 0644 0:0 x", "b hardlink a"]);
  assert.deepEqual(await planned(t, empty, source, copy("/d/*", "/")), ["a file 0644 0:0 x", "b file 0644 0:0 x"]);
});

test("what is written again unchanged is no change; other bytes under the same size and time are", async (t) => {
  const time = 1_500_000_000_123_456_789n;
  const source = image({ "d/": {}, "d/f": { content: "same", mtimeNs: time }, "d/l -> f": { mtimeNs: time } });
  const first = await plan(t, empty, source, copy("/d", "/to"));
  const base = new RootfsView([layerOf(first)]);
  assert.deepEqual(await planned(t, base, source, copy("/d", "/to")), []);
  const other = image({ "d/": {}, "d/f": { content: "diff", mtimeNs: time }, "d/l -> f": { mtimeNs: time } });
  assert.deepEqual(await planned(t, base, other, copy("/d", "/to")), ["to dir 0755 0:0", "to/f file 0644 0:0 diff"]);
});

test("a capability survives a copy, also with another owner; other attributes do not", async (t) => {
  const xattrs = { "security.capability": Buffer.from([1, 0, 0, 2]), "user.note": Buffer.from("x") };
  const source = image({ tool: { content: "x", mode: 0o4755, xattrs } });
  const [item] = await plan(t, empty, source, copy("/tool", "/tool", { owner: { user: 7 } }));
  assert.deepEqual(Object.keys(item?.entry.xattrs ?? {}), ["security.capability"]);
  assert.equal(item?.entry.mode, 0o4755);
});

test("names of any bytes are copied as they are", async (t) => {
  const source = image({ "ünï/☃": "x" });
  const [, item] = await plan(t, empty, source, copy("/ünï", "/ünï"));
  assert.equal(item?.entry.path, bytePath("ünï/☃"));
});
