// ADD of archives: told by their content, applied in order on the destination, which is their root.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { test } from "node:test";
import type { FileTree } from "../../builder/layer/tree/file-tree.ts";
import type { ViewLayer } from "../../builder/layer/view/view-layer.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";
import type { Member } from "../layer/support.ts";
import { tarOf } from "../layer/support.ts";
import { copy, image, local, plan, planned } from "./file-support.ts";

const empty = new RootfsView([]);
const unpack = { unpack: true };

/** A source tree with one file of these bytes. */
function holding(name: string, bytes: Uint8Array): FileTree {
  const entry = { path: name, type: "file", mode: 0o640, uid: 0, gid: 0, size: bytes.length, mtimeNs: 0n } as const;
  const layer: ViewLayer = {
    entries: [entry],
    sources: () => Promise.resolve(new Map([[name, { kind: "bytes", bytes }]])),
  };
  return new RootfsView([layer]);
}

function tar(...members: Member[]): FileTree {
  return holding("t.tar", tarOf(members));
}

test("an archive is unpacked whatever its name and compression; anything else is copied", async (t) => {
  const bytes = tarOf([{ name: "f", content: "x" }]);
  for (const packed of [bytes, gzipSync(bytes), zstdCompressSync(bytes)]) {
    assert.deepEqual(await planned(t, empty, holding("any.txt", packed), copy("/any.txt", "/to/", unpack)), [
      "to dir 0755 0:0",
      "to/f file 0644 0:0 x",
    ]);
  }
  for (const other of [Buffer.from("text"), gzipSync("text"), Buffer.alloc(1024), gzipSync(bytes).subarray(0, 12)]) {
    const [, item] = await plan(t, empty, holding("x.tar", other), copy("/x.tar", "/to/", unpack));
    assert.equal(item?.entry.path, "to/x.tar");
    assert.equal(item.entry.size, other.length);
  }
});

test("types that BuildKit's ADD does not take are an error, be they first in the archive or not", async (t) => {
  for (const before of [[], [{ name: "f", content: "x" }]]) {
    for (const type of "7SADV") {
      const bytes = tarOf([...before, { name: "m", content: "" }]);
      const header = bytes.subarray(before.length * 1024, before.length * 1024 + 512);
      header.fill(" ", 148, 156);
      header[156] = type.charCodeAt(0);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      await assert.rejects(planned(t, empty, holding("t.tar", bytes), copy("/t.tar", "/to/", unpack)), /is not known/);
    }
  }
});

test("without unpacking an archive stays a file", async (t) => {
  const [item] = await plan(t, empty, tar({ name: "f", content: "x" }), copy("/t.tar", "/t.tar"));
  assert.equal(item?.entry.path, "t.tar");
});

test("the owner given goes to everything, the mode to nothing", async (t) => {
  const source = tar(
    { name: "d/", mode: 0o750, uid: 10, gid: 20 },
    { name: "d/s", content: "x", mode: 0o4755 },
    { name: "d/l", type: "symlink", link: "s" },
    { name: "d/h", type: "hardlink", link: "d/s", mode: 0o4755 },
  );
  const given = { ...unpack, owner: { user: 5, group: 6 }, mode: { octal: 0o700 } };
  assert.deepEqual(await planned(t, empty, source, copy("/t.tar", "/to/", given)), [
    "to dir 0755 5:6",
    "to/d dir 0750 5:6",
    "to/d/h file 4755 5:6 x",
    "to/d/l symlink 5:6 s",
    "to/d/s hardlink to/d/h",
  ]);
});

test("members replace what is there, go through its links, and give directories their attributes", async (t) => {
  const base = image({
    "one/": {},
    "one/kept": "",
    "alias -> /one": {},
    file: "",
    "dir/": {},
    "dir/gone": "",
    "mode/": { mode: 0o700, uid: 5 },
  });
  const source = tar(
    { name: "file/", mode: 0o775 },
    { name: "dir", content: "now a file" },
    { name: "alias/through", content: "1" },
    { name: "mode/" },
    { name: "one/added", content: "2" },
  );
  assert.deepEqual(await planned(t, base, source, copy("/t.tar", "/", unpack)), [
    "dir file 0644 0:0 now a file",
    "file dir 0775 0:0",
    "mode dir 0755 0:0",
    "one dir 0755 0:0",
    "one/added file 0644 0:0 2",
    "one/through file 0644 0:0 1",
  ]);
});

test("nothing leads out of the destination: absolute links, dots and hard links stay inside", async (t) => {
  const base = image({ "outside/": {}, "outside/secret": "s", "to/": {}, "to/etc/": {} });
  const inside = tar(
    { name: "l", type: "symlink", link: "/etc" },
    { name: "l/f", content: "1" },
    { name: "../../up", content: "2" },
    { name: "/abs", content: "3" },
    { name: "hard", type: "hardlink", link: "../../../up" },
  );
  assert.deepEqual(await planned(t, base, inside, copy("/t.tar", "/to/", unpack)), [
    "to dir 0755 0:0",
    "to/abs file 0644 0:0 3",
    "to/etc dir 0755 0:0",
    "to/etc/f file 0644 0:0 1",
    "to/hard file 0644 0:0 2",
    "to/l symlink 0:0 /etc",
    "to/up hardlink to/hard",
  ]);
  const toNowhere = tar({ name: "l", type: "symlink", link: "/outside" }, { name: "l/f", content: "1" });
  await assert.rejects(planned(t, base, toNowhere, copy("/t.tar", "/to/", unpack)), /open \/l: no such file/);
  const toOutside = tar({ name: "h", type: "hardlink", link: "../outside/secret" });
  await assert.rejects(planned(t, base, toOutside, copy("/t.tar", "/to/", unpack)), { code: "ARCHIVE_INVALID" });
});

test("an archive that breaks off is an error, and no file of it is left open", async (t) => {
  const bytes = tarOf([{ name: "f", content: "x".repeat(4000) }]);
  await assert.rejects(planned(t, empty, holding("t.tar", bytes.subarray(0, 2000)), copy("/t.tar", "/to/", unpack)), {
    code: "ARCHIVE_INVALID",
  });
  await assert.rejects(
    planned(t, empty, holding("t.gz", gzipSync(bytes).subarray(0, -20)), copy("/t.gz", "/to/", unpack)),
    {
      code: "ARCHIVE_INVALID",
    },
  );
});

test("what is wrong behind an archive's end is not looked at", async (t) => {
  const bytes = tarOf([{ name: "f", content: "x" }]);
  const junk = Buffer.from("junk");
  const xz = execFileSync("xz", ["-c"], { input: bytes });
  for (const packed of [Buffer.concat([bytes, junk]), gzipSync(bytes).subarray(0, -3), Buffer.concat([xz, junk])]) {
    assert.deepEqual(await planned(t, empty, holding("t.tar", packed), copy("/t.tar", "/to/", unpack)), [
      "to dir 0755 0:0",
      "to/f file 0644 0:0 x",
    ]);
  }
});

test("directories get their times when all is in them; times before 1970 become 1970", async (t) => {
  const source = tar({ name: "d/", mtimeNs: 7n * 10n ** 9n }, { name: "d/f", content: "x", mtimeNs: -5n });
  const entries = await plan(t, empty, source, copy("/t.tar", "/", unpack));
  assert.deepEqual(
    entries.map(({ entry }) => entry.mtimeNs),
    [7_000_000_000n, 0n],
  );
});

test("a member named like a whiteout is a file like any other", async (t) => {
  const entries = await plan(t, image({ x: "" }), tar({ name: "y/.wh.x", content: "1" }), copy("/t.tar", "/", unpack));
  assert.deepEqual(
    entries.map(({ entry }) => `${entry.path} ${entry.type}`),
    ["y dir", "y/.wh.x file"],
  );
});

test("a link to an archive is unpacked too", async (t) => {
  const source = local(t, { "a.tar": tarOf([{ name: "f", content: "x" }]).toString("latin1"), "b.tar -> a.tar": "" });
  assert.deepEqual(await planned(t, empty, source, copy("/b.tar", "/", unpack)), ["f file 0644 0:0 x"]);
});

test("what is unpacked again unchanged is no change; other bytes are", async (t) => {
  const base = image({ "to/": {}, "to/f": { content: "x" }, "to/g": { content: "y" } });
  const again = tar({ name: "f", content: "x" }, { name: "g", content: "z" });
  assert.deepEqual(await planned(t, base, again, copy("/t.tar", "/to/", unpack)), [
    "to dir 0755 0:0",
    "to/g file 0644 0:0 z",
  ]);
});
