// `tsbuild validate` and `inspect --ids`: what is right is right, and every lie is named with its place.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { inspect } from "../../src/commands/images/inspect.ts";
import { validate } from "../../src/commands/images/validate.ts";
import { tarOf } from "../layer/support.ts";
import type { CraftedImage } from "../support/crafted-layout.ts";
import { CraftedLayout, digestOf, ZSTD, zstd } from "../support/crafted-layout.ts";
import type { Ran } from "../support/run-command.ts";
import { runCommand } from "../support/run-command.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-validate-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const root = join(temp, "store");

const first = tarOf([{ name: "a", content: "one" }, { name: "d/" }]);
const second = tarOf([{ name: "d/b", content: "two" }, { name: ".wh.a" }]);
const honest: CraftedImage = { layers: [first, second] };
let layouts = 0;

function layoutOf(image: CraftedImage): CraftedLayout {
  const layout = new CraftedLayout(join(temp, `layout-${layouts++}`));
  layout.image("it", image);
  return layout;
}

const check = (layout: CraftedLayout, ...flags: string[]): Promise<Ran> =>
  runCommand(validate, root, ...flags, `oci:${layout.folder}:it`);
const failures = ({ stdout }: Ran): string[] => stdout.split("\n").filter((line) => line.startsWith("failed"));

suite("validate", () => {
  test("finds nothing wrong with what is right, in any compression, and says each check", async () => {
    for (const image of [honest, { ...honest, ...zstd }, { layers: [] }]) {
      const ran = await check(layoutOf(image));
      assert.equal(ran.code, 0, ran.stdout);
      assert.match(ran.stdout, /^ok {6}manifest: its digest is sha256:/);
      assert.match(ran.stdout, /\d+ checks, all ok\n$/);
    }
    const { stdout } = await check(layoutOf(honest));
    assert.match(stdout, new RegExp(`^ok {6}layer 2: its diff_id is ${digestOf(second)}$`, "m"));
    assert.deepEqual(await check(layoutOf(honest), "--quiet").then(({ stdout, code }) => [stdout, code]), ["", 0]);
  });

  const lies: readonly [string, CraftedImage, RegExp][] = [
    [
      "a diff_id too few",
      { ...honest, config: dropDiffId },
      /config: it has one diff_id for each layer: the manifest has 2 layers, the config 1 diff_ids/,
    ],
    [
      "a layer too many",
      { ...honest, manifest: (it) => ({ ...it, layers: [...it.layers, it.layers[0]] }) },
      /the manifest has 3 layers, the config 2 diff_ids/,
    ],
    [
      "layers in the wrong order",
      { ...honest, manifest: (it) => ({ ...it, layers: it.layers.toReversed() }) },
      new RegExp(`layer 1: its diff_id is ${digestOf(first)}: it is ${digestOf(second)}`),
    ],
    [
      "a wrong size of a layer",
      { ...honest, manifest: (it) => changed(it, 1, { size: 7 }) },
      /layer 2: it has 7 bytes: it has \d+/,
    ],
    [
      "a layer that is not there",
      { ...honest, manifest: (it) => changed(it, 0, { digest: digestOf(Buffer.from("gone")) }) },
      /layer 1: it can be read: .*is not in the layout/,
    ],
    [
      "a layer that is no tar",
      { layers: [Buffer.alloc(1024, "no tar. ")] },
      /layer 1: it unpacks to the tar of a layer: invalid archive/,
    ],
    [
      "a layer that leads out of the image",
      { layers: [tarOf([{ name: "../x", content: "" }])] },
      /layer 1: it unpacks to the tar of a layer: .*leads out of the archive/,
    ],
    [
      "another compression than the media type's",
      { ...honest, mediaType: ZSTD },
      /layer 1: it is zstd, as its media type says: it is gzip/,
    ],
    [
      "a media type that is no layer's",
      { ...honest, mediaType: "application/x" },
      /layer 1: its media type is one of a layer: it is "application\/x"/,
    ],
    [
      "a cut layer",
      { ...honest, compress: (tar) => gzipSync(tar).subarray(0, -9) },
      /layer 1: it unpacks to the tar of a layer: .*cut \(truncated\)/,
    ],
    [
      "more history than layers",
      { ...honest, config: (it) => ({ ...it, history: [...it.history, { created_by: "x" }] }) },
      /its history tells of no more layers than there are: the history tells of 3 layers, the manifest has 2/,
    ],
    [
      "another platform than the index says",
      { ...honest, descriptor: (it) => ({ ...it, platform: { os: "linux", architecture: "s390x" } }) },
      /config: its platform is that of the index: the index says linux\/s390x, the config linux\/amd64/,
    ],
    [
      "a config that breaks the schema",
      { ...honest, config: (it) => ({ ...it, config: { Env: "A=b" } }) },
      /config: it follows the schema of a config: "config.Env": "A=b" is not a list of texts/,
    ],
    [
      "a manifest that breaks the schema",
      { ...honest, manifest: (it) => ({ ...it, annotations: { a: 1 } }) },
      /manifest: it follows the schema of a manifest: "annotations.a": 1 is not a text/,
    ],
    [
      "embedded data that is something else",
      { ...honest, manifest: (it) => ({ ...it, config: { ...it.config, data: "e30=" } }) },
      /manifest: the data in "config" is what its digest and size say: it has 2 bytes and sha256:44136fa355b3/,
    ],
    [
      "a manifest that is an index, too",
      { ...honest, manifest: (it) => ({ ...it, manifests: [] }) },
      /manifest and an index at once/,
    ],
    [
      "a manifest of another kind than its name",
      { ...honest, descriptor: (it) => ({ ...it, mediaType: "application/vnd.docker.distribution.manifest.v2+json" }) },
      /manifest: its media type is application\/vnd.docker.distribution.manifest.v2\+json: it says "application\/vnd.oci/,
    ],
    [
      "a wrong size of the manifest",
      { ...honest, descriptor: (it) => ({ ...it, size: it.size + 1 }) },
      /manifest: it has \d+ bytes: it has \d+/,
    ],
    [
      "a foreign layer",
      { ...honest, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" },
      /its media type is one of a layer/,
    ],
  ];
  for (const [lie, image, expected] of lies) {
    test(`sees ${lie}`, async () => {
      const ran = await check(layoutOf(image));
      assert.equal(ran.code, 65, ran.stdout);
      assert.match(failures(ran).join("\n"), expected);
      assert.match(ran.stdout, /\d+ of \d+ checks failed\n$/);
    });
  }

  const damages: readonly [string, (layout: CraftedLayout, parts: Parts) => void, RegExp][] = [
    [
      "a flipped bit of a layer",
      (layout, { layer }) => flip(layout.pathOf(layer)),
      /layer 1: its digest is (sha256:\w+): it is sha256/,
    ],
    [
      "a cut blob",
      (layout, { layer }) => truncateSync(layout.pathOf(layer), 20),
      /layer 1: it has \d+ bytes: it has 20/,
    ],
    [
      "a changed config",
      (layout, { config }) => flip(layout.pathOf(config)),
      /config: its digest is (sha256:\w+): it is sha256/,
    ],
    [
      "a changed manifest",
      (layout, { manifest }) => flip(layout.pathOf(manifest)),
      /manifest: its digest is (sha256:\w+): it is sha256/,
    ],
    [
      "a manifest that is no JSON",
      (layout, { manifest }) => writeFileSync(layout.pathOf(manifest), "<html>"),
      /manifest: it is a JSON object/,
    ],
    [
      "a missing config",
      (layout, { config }) => rmSync(layout.pathOf(config)),
      /config: it can be read: .*is not in the layout/,
    ],
  ];
  for (const [damage, spoil, expected] of damages) {
    test(`sees ${damage}`, async () => {
      const layout = layoutOf(honest);
      spoil(layout, partsOf(layout));
      const ran = await check(layout);
      assert.equal(ran.code, 65, ran.stdout);
      assert.match(failures(ran).join("\n"), expected);
    });
  }

  test("goes through an index: all platforms or one, attestations, what was never fetched", async () => {
    const layout = new CraftedLayout(join(temp, `layout-${layouts++}`));
    const platform = (architecture: string): Partial<CraftedImage> => ({
      config: (it) => ({ ...it, architecture }),
      descriptor: (it) => ({ ...it, platform: { os: "linux", architecture } }),
    });
    const absent = {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: digestOf(Buffer.from("never")),
      size: 5,
    };
    layout.index(
      "it",
      [
        { ...honest, ...platform("amd64") },
        { ...honest, ...platform("arm64"), config: (it) => ({ ...it, architecture: "riscv64" }) },
        {
          layers: [],
          manifest: attestation(layout),
          descriptor: (it) => ({ ...it, annotations: about(digestOf(Buffer.from("nobody"))) }),
        },
      ],
      (index) => ({
        ...index,
        manifests: [...index.manifests, { ...absent, platform: { os: "linux", architecture: "s390x" } }],
      }),
    );
    const all = await check(layout);
    assert.equal(all.code, 65);
    assert.match(failures(all).join("\n"), /linux\/arm64 config: its platform is that of the index/);
    assert.match(failures(all).join("\n"), /attestation of sha256:\w+ manifest: it is about a manifest of the index/);
    assert.match(all.stdout, /^ok {6}attestation of sha256:\w+ layer 1: its digest is/m);
    assert.match(all.stdout, /^absent {2}linux\/s390x manifest: it is there$/m);
    const one = await check(layout, "--platform", "linux/amd64");
    assert.equal(one.code, 0, one.stdout);
    assert.doesNotMatch(one.stdout, /arm64|s390x/);
    const gone = await check(layout, "--platform", "linux/s390x");
    assert.equal(gone.code, 65);
    assert.match(gone.stdout, /^failed {2}index: something of what it lists is there$/m);
    const none = await check(layout, "--platform", "linux/ppc64le");
    assert.equal(none.code, 65);
    assert.match(none.stdout, /failed {2}index: .*no image for linux\/ppc64le/);
  });

  test("as JSON has every check, and whether all hold", async () => {
    const { stdout, code } = await check(layoutOf({ ...honest, config: dropDiffId }), "--json");
    const json = JSON.parse(stdout);
    assert.deepEqual([code, json.valid], [65, false]);
    assert.ok(
      json.checks.some(
        ({ result, subject }: { result: string; subject: string }) => result === "failed" && subject === "config",
      ),
    );
  });

  test("an image that is not there is no finding", async () => {
    const { error } = await runCommand(validate, root, `oci:${layoutOf(honest).folder}:other`);
    assert.equal(error?.code, "INPUT_MISSING");
  });
});

suite("inspect --ids", () => {
  const ids = (layout: CraftedLayout, ...flags: string[]): Promise<Ran> =>
    runCommand(inspect, root, "--ids", ...flags, `oci:${layout.folder}:it`);

  test("has every id, hashed", async () => {
    const layout = layoutOf(honest);
    const ran = await ids(layout, "--json");
    const [{ verified, imageId, imageDigest, layers }] = JSON.parse(ran.stdout);
    const { manifest, config } = partsOf(layout);
    assert.deepEqual([ran.code, verified, imageId.digest, imageDigest.digest], [0, true, config, manifest]);
    assert.deepEqual(
      layers.map(({ diffId }: { diffId: { digest: string } }) => diffId.digest),
      [first, second].map(digestOf),
    );
    assert.equal(layers[1].chainId.digest, digestOf(Buffer.from(`${digestOf(first)} ${digestOf(second)}`)));
    assert.deepEqual([layers[0].compressedSize, layers[0].uncompressedSize], [gzipSync(first).length, first.length]);
    const text = await ids(layout);
    assert.equal(text.stdout.match(/ {2}ok {4,}/g)?.length, 8);
  });

  test("says which do not hold, and ends with 65", async () => {
    const layout = layoutOf({ ...honest, manifest: (it) => ({ ...it, layers: it.layers.toReversed() }) });
    const { stdout, code } = await ids(layout);
    assert.equal(code, 65);
    assert.match(stdout, new RegExp(`diff_id {7}${digestOf(first)} {2}FAILED .*\n.*found: ${digestOf(second)}`));
    assert.match(stdout, /chain id .*FAILED/);
    const cut = await ids(layoutOf({ ...honest, compress: (tar) => gzipSync(tar).subarray(0, -9) }));
    assert.match(cut.stdout, /FAILED .*\n.*found: .*cut \(truncated\)/);
    const [{ layers }] = JSON.parse((await ids(layout, "--json")).stdout);
    assert.deepEqual([layers[0].diffId.verified, layers[0].diffId.found], [false, digestOf(second)]);
  });
});

interface Parts {
  readonly manifest: string;
  readonly config: string;
  readonly layer: string;
}

function partsOf(layout: CraftedLayout): Parts {
  const manifest = JSON.parse(readFileSync(join(layout.folder, "index.json"), "utf8")).manifests[0].digest;
  const { config, layers } = JSON.parse(readFileSync(layout.pathOf(manifest), "utf8"));
  return { manifest, config: config.digest, layer: layers[0].digest };
}

/** Changes a byte in the middle, to one that is still text. */
function flip(file: string): void {
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

function dropDiffId(config: Parameters<NonNullable<CraftedImage["config"]>>[0]): object {
  return { ...config, rootfs: { type: "layers", diff_ids: config.rootfs.diff_ids.slice(1) }, history: [] };
}

function changed(manifest: Parameters<NonNullable<CraftedImage["manifest"]>>[0], at: number, change: object): object {
  return {
    ...manifest,
    layers: manifest.layers.map((layer: object, i: number) => (i === at ? { ...layer, ...change } : layer)),
  };
}

function attestation(layout: CraftedLayout): NonNullable<CraftedImage["manifest"]> {
  return (it) => ({ ...it, layers: [layout.json({ predicate: {} }, "application/vnd.in-toto+json")] });
}

function about(digest: string): object {
  return { "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest };
}
