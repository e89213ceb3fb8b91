// The conformance comparison itself: it passes an image that is right, and fails one that is wrong in any way, at the
// level where it is wrong.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, suite, test } from "node:test";

import { compare, type Level } from "./compare.ts";
import { type Golden, type Image, type KnownLayers, readImages, readKnownLayers } from "./image.ts";
import { type MadeEntry, type MadeImage, writeLayout } from "./made-image.ts";
import { openLayout } from "./oci-layout.ts";

const BASE: readonly MadeEntry[] = [
  { name: "bin/", type: "directory", mode: 0o755 },
  { name: "bin/sh", mode: 0o755, content: "shell" },
  { name: "etc/", type: "directory", mode: 0o755 },
  { name: "etc/old", mode: 0o644, content: "old" },
  { name: "etc/same", mode: 0o644, content: "same" },
];

const TOP: readonly MadeEntry[] = [
  { name: "etc/", type: "directory", mode: 0o755 },
  { name: "etc/.wh.old", mode: 0, content: "" },
  { name: "etc/new", mode: 0o640, uid: 5, gid: 6, content: "new" },
  { name: "etc/new2", type: "link", linkname: "etc/new" },
  { name: "etc/link", type: "symlink", linkname: "new" },
  { name: "etc/cap", mode: 0o755, content: "cap", pax: { "SCHILY.xattr.user.a": "value" } },
  { name: "etc/null", type: "character-device", mode: 0o666, devmajor: 1, devminor: 3 },
];

/** As the golden of TOP on BASE has it, written down here so that the reading is held against something else. */
const FILES: Image["rootfs"] = {
  entries: {
    "etc/cap": { ...file(0o755, "cap"), xattrs: { "user.a": "value" } },
    "etc/link": { type: "symlink", mode: "777", uid: 0, gid: 0, link: "new" },
    "etc/new": { ...file(0o640, "new"), uid: 5, gid: 6 },
    "etc/new2": { ...file(0o640, "new"), uid: 5, gid: 6 },
    "etc/null": { type: "char", mode: "666", uid: 0, gid: 0, dev: "1,3" },
  },
  removed: ["etc/old"],
  hardlinks: [["etc/new", "etc/new2"]],
};

function file(
  mode: number,
  content: "cap" | "new",
): { type: string; mode: string; uid: number; gid: number; size: number; sha256: string } {
  const sha256 = {
    cap: "45e84635bc4803c5cc5d456c798a13d37a7fd184f76b012b01c01676d5ce46c0",
    new: "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437",
  }[content];
  return { type: "file", mode: mode.toString(8), uid: 0, gid: 0, size: 3, sha256 };
}

function goodImage(): MadeImage {
  return {
    architecture: "amd64",
    config: { Env: ["A=1", "B=2"], Cmd: ["sh"], Labels: { k: "v" }, WorkingDir: "/" },
    history: [
      { created_by: "the base" },
      { created_by: "RUN /bin/sh -c work # buildkit" },
      { created_by: 'CMD ["sh"]', empty_layer: true },
    ],
    layers: [[...BASE], TOP.map((entry) => ({ ...entry }))],
  };
}

const folder = mkdtempSync(path.join(os.tmpdir(), "tsbuild-compare-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let serial = 0;

/** The made images as the comparison reads them. */
async function read(images: readonly MadeImage[]): Promise<Image[]> {
  const layout = path.join(folder, String(serial++));
  await writeLayout(layout, images);
  return readImages(openLayout(layout), await knownBase(), { created: false, mtime: [] });
}

async function knownBase(): Promise<KnownLayers> {
  const layout = path.join(folder, String(serial++));
  await writeLayout(layout, [{ ...goodImage(), history: [], layers: [[...BASE]] }]);
  return readKnownLayers(openLayout(layout));
}

async function golden(): Promise<Golden> {
  return { outcome: "ok", images: await read([goodImage()]) };
}

/** The levels at which an image is wrong. */
async function levelsOf(images: readonly MadeImage[]): Promise<Level[]> {
  const differences = compare(await golden(), { error: undefined, images: await read(images) });
  return [...new Set(differences.map(([level]) => level))].toSorted();
}

function entry(image: MadeImage, name: string): { -readonly [Key in keyof MadeEntry]: MadeEntry[Key] } {
  return image.layers[1]?.find((it) => it.name === name) ?? assert.fail(name);
}

function without(image: MadeImage, name: string): void {
  image.layers[1] = image.layers[1]?.filter((it) => it.name !== name) ?? [];
}

const SPOILED: Readonly<Record<string, readonly [readonly Level[], (image: MadeImage) => void]>> = {
  "another user": [["config"], (image) => (image.config["User"] = "daemon")],
  "variables in another order": [["config"], (image) => (image.config["Env"] = ["B=2", "A=1"])],
  "a label too few": [["config"], (image) => (image.config["Labels"] = {})],
  "another command": [["config"], (image) => (image.config["Cmd"] = ["bash"])],
  "another architecture": [["config"], (image) => (image.architecture = "arm64")],
  "other content": [["layers", "rootfs"], (image) => (entry(image, "etc/new").content = "nEw")],
  "another mode": [["layers", "rootfs"], (image) => (entry(image, "etc/new").mode = 0o644)],
  "a setuid bit": [["layers", "rootfs"], (image) => (entry(image, "etc/new").mode = 0o4640)],
  "another owner": [["layers", "rootfs"], (image) => (entry(image, "etc/new").uid = 0)],
  "another group": [["layers", "rootfs"], (image) => (entry(image, "etc/new").gid = 0)],
  "another link target": [["layers", "rootfs"], (image) => (entry(image, "etc/link").linkname = "old")],
  "another device": [["layers", "rootfs"], (image) => (entry(image, "etc/null").devminor = 5)],
  "no attribute": [["layers", "rootfs"], (image) => (entry(image, "etc/cap").pax = {})],
  "another attribute": [
    ["layers", "rootfs"],
    (image) => (entry(image, "etc/cap").pax = { "SCHILY.xattr.user.a": "other" }),
  ],
  "a missing file": [["layers", "rootfs"], (image) => without(image, "etc/cap")],
  "a missing whiteout": [["layers", "rootfs"], (image) => without(image, "etc/.wh.old")],
  "a file for a hard link": [
    ["layers", "rootfs"],
    (image) => {
      without(image, "etc/new2");
      image.layers[1]?.push({ name: "etc/new2", mode: 0o640, uid: 5, gid: 6, content: "new" });
    },
  ],
  "an entry that changes nothing": [
    ["layers"],
    (image) => image.layers[1]?.push({ name: "etc/same", mode: 0o644, content: "same" }),
  ],
  "an opaque folder": [
    ["layers", "rootfs"],
    (image) => image.layers[1]?.splice(1, 0, { name: "etc/.wh..wh..opq", content: "" }),
  ],
  "an entry twice": [["layers"], (image) => image.layers[1]?.push({ ...entry(image, "etc/cap") })],
  "a layer that is empty": [
    ["history", "layers"],
    (image) => {
      image.layers.push([]);
      image.history.push({ created_by: "RUN true" });
    },
  ],
  "a base that is not the base's": [
    ["layers", "rootfs"],
    (image) => (image.layers[0] = BASE.map((it) => ({ ...it, mtime: new Date(1000) }))),
  ],
  "another text in the history": [["history"], (image) => (image.history[1] = { created_by: "RUN work" })],
  "a step missing in the history": [["history"], (image) => image.history.pop()],
  "an empty step that is said to be full": [
    ["history", "layers"],
    (image) => (image.history[2] = { created_by: 'CMD ["sh"]' }),
  ],
  "a wrong diff_id": [["layers"], (image) => (image.diffIds = ([first = ""]) => [first, first])],
  "a diff_id too few": [["layers"], (image) => (image.diffIds = (diffIds) => diffIds.slice(1))],
};

suite("the conformance comparison", () => {
  test("reads an image as it is", async () => {
    const [image] = await read([goodImage()]);
    assert.deepEqual(image?.rootfs.removed, FILES.removed);
    assert.deepEqual(image?.rootfs.hardlinks, FILES.hardlinks);
    assert.deepEqual(image?.rootfs.entries, FILES.entries);
    assert.deepEqual(Object.keys(image?.layers[1]?.entries ?? {}), [
      "etc",
      "etc/.wh.old",
      "etc/cap",
      "etc/link",
      "etc/new",
      "etc/new2",
      "etc/null",
    ]);
    assert.deepEqual(image?.layers[1]?.entries?.["etc/new2"], { type: "hardlink", link: "etc/new" });
    assert.deepEqual(image?.layers[1]?.entries?.["etc/.wh.old"], { type: "whiteout" });
    assert.equal(typeof image?.layers[0]?.base, "string");
  });

  test("passes the right image, and what does not count may differ", async () => {
    assert.deepEqual(await levelsOf([goodImage()]), []);
    const other = goodImage();
    // The order, the times, which hard link carries the content, the base's entry written again in a folder.
    without(other, "etc/new");
    without(other, "etc/new2");
    other.layers[1] = [
      { name: "etc/new2", mode: 0o640, uid: 5, gid: 6, content: "new", mtime: new Date(5000) },
      { name: "./etc/new", type: "link", linkname: "./etc/new2" },
      ...(other.layers[1] ?? []),
    ];
    other.config["ExposedPorts"] = {};
    other.history[1] = { created_by: "RUN /bin/sh -c work" };
    assert.deepEqual(await levelsOf([other]), []);
  });

  for (const [what, [levels, spoil]] of Object.entries(SPOILED)) {
    test(`fails ${what}`, async () => {
      const image = goodImage();
      spoil(image);
      assert.deepEqual(await levelsOf([image]), levels);
    });
  }

  test("fails an image too many or too few, a failure, and a build that must fail", async () => {
    assert.deepEqual(await levelsOf([goodImage(), { ...goodImage(), architecture: "arm64" }]), ["config"]);
    assert.deepEqual(await levelsOf([]), ["config"]);
    const levels = (want: Golden, got: { error: string | undefined }): Level[] =>
      compare(want, { ...got, images: [] }).map(([level]) => level);
    assert.deepEqual(levels(await golden(), { error: "no" }), ["outcome"]);
    assert.deepEqual(levels({ outcome: "error", error: "no" }, { error: undefined }), ["outcome"]);
    assert.deepEqual(levels({ outcome: "error", error: "no" }, { error: "no, in other words" }), []);
  });

  test("refuses a blob of another digest or size", async () => {
    await assert.rejects(read([{ ...goodImage(), addToSize: 1 }]), /size of sha256/);
  });
});
