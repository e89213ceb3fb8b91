// Layouts and archives as sources, as other tools write them.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf, hexOf } from "../../builder/core/digest.ts";
import { exportImage } from "../../builder/exporter/image.ts";
import { validateImage } from "../../builder/image/validate.ts";
import { CONTAINERD_NAME, REF_NAME } from "../../builder/store/names.ts";
import { openStore } from "../../builder/store/open.ts";
import { openDockerArchive } from "../../builder/transport/docker-archive.ts";
import { chooseEntry } from "../../builder/transport/layout-index.ts";
import { openOciLayout } from "../../builder/transport/oci-layout.ts";
import { pullImage } from "../../builder/transport/pull.ts";
import type { Selection } from "../../builder/core/image/image-location.ts";
import type { ImageSource } from "../../builder/transport/source.ts";
import { AMD64, sampleResult, tarOf } from "../exporter/sample.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-files-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const signal = new AbortController().signal;
const skopeo = { skip: spawnSync("skopeo", ["--version"]).status === 0 ? false : "skopeo is not installed" };
const look = { mediaTypes: "oci", compression: "gzip", forceCompression: false, annotations: [] } as const;
const archive = join(temp, "a.tar");
const layout = join(temp, "layout");
let manifestDigest: Digest;
let imageId: Digest | undefined;

before(async () => {
  const store = await openStore(join(temp, "made"));
  const results = [await sampleResult(store)];
  const context = {
    store,
    createdMs: 0,
    signal,
    openSink: async () => {
      throw new Error("no push here");
    },
    workDirectory: temp,
  };
  const made = await exportImage(
    { type: "docker", image: { ...look, names: ["app:1"] }, destination: { kind: "file", path: archive } },
    results,
    context,
  );
  await exportImage(
    { type: "oci", image: { ...look, names: ["app:1"] }, destination: { kind: "directory", path: layout } },
    results,
    context,
  );
  const multi = [...results, await sampleResult(store, "arm", { os: "linux", architecture: "arm64" })];
  await exportImage(
    { type: "oci", image: { ...look, names: ["multi:2"] }, destination: { kind: "directory", path: layout } },
    multi,
    context,
  );
  manifestDigest = made.descriptor.digest;
  imageId = made.images[0]?.imageId;
});

const fromArchive = (path: string, selection: Selection = {}): Promise<ImageSource> =>
  openDockerArchive(path, selection, { temporaryDirectory: temp });

async function load(opening: Promise<ImageSource>): ReturnType<typeof pullImage> {
  await using source = await opening;
  const store = await openStore(mkdtempSync(join(temp, "s-")));
  const image = await pullImage(source, AMD64, store, signal);
  for (const { descriptor } of image.layers) await image.fetchLayer(descriptor, signal);
  await validateImage(image.descriptor, store, { layers: "deep", signal });
  return image;
}

suite("an OCI layout", () => {
  test("gives an image by tag, by full name, by digest, and through an index", async () => {
    const name = "docker.io/library/app:1";
    for (const choice of [{ ref: "1" }, { ref: name }, { digest: manifestDigest }]) {
      assert.equal((await load(openOciLayout(layout, choice))).descriptor.digest, manifestDigest);
    }
    const multi = await load(openOciLayout(layout, { ref: "2" }));
    assert.notEqual(multi.top.digest, multi.descriptor.digest);
    assert.equal(multi.imageId, imageId);
  });

  test("gives a blob again that the disk of the store has cut short", async () => {
    await using source = await openOciLayout(layout, { ref: "1" });
    const store = await openStore(mkdtempSync(join(temp, "s-")));
    for (const isCut of [false, true]) {
      const image = await pullImage(source, AMD64, store, signal);
      for (const { descriptor } of image.layers) {
        if (isCut) truncateSync(await store.pathOf(descriptor.digest), 10);
        const again = await pullImage(source, AMD64, store, signal);
        await again.fetchLayer(descriptor, signal);
      }
      await validateImage(image.descriptor, store, { layers: "deep", signal });
    }
  });

  test("says what it has when the choice is open or void", async () => {
    const hint = (error: unknown): boolean =>
      error instanceof BuildError && /1, 2|library\/app:1/.test(error.hint ?? "");
    await assert.rejects(load(openOciLayout(layout)), hint);
    await assert.rejects(load(openOciLayout(layout, { ref: "9" })), hint);
    const entry = (fullName: string): Descriptor => ({
      mediaType: MEDIA.ociManifest,
      digest: digestOf(fullName),
      size: 1,
      annotations: { [CONTAINERD_NAME]: fullName, [REF_NAME]: "1" },
    });
    const alike = { mediaType: MEDIA.ociIndex, manifests: [entry("x/a:1"), entry("x/b:1")] };
    assert.throws(
      () => chooseEntry(alike, {}, "it"),
      (error) => error instanceof BuildError && error.hint === "name one: x/a:1, x/b:1",
    );
    await assert.rejects(load(openOciLayout(temp)), /is not an OCI image layout/);
    await assert.rejects(load(openOciLayout(layout, { digest: digestOf("x") })), /is not in the layout/);
  });

  test("with a damaged blob is refused", async () => {
    const damaged = join(temp, "damaged");
    execFileSync("cp", ["-r", layout, damaged]);
    const store = await openStore(join(temp, "made"));
    const { layers } = JSON.parse(Buffer.from(await store.read(manifestDigest)).toString());
    const path = join(damaged, "blobs/sha256", hexOf(layers[0].digest));
    const bytes = readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await assert.rejects(
      load(openOciLayout(damaged, { ref: "1" })),
      (error) =>
        error instanceof BuildError && error.code === "DIGEST_INVALID" && error.message.includes(layers[0].digest),
    );
  });
});

suite("an archive", () => {
  test("of ours comes back with its digests, also compressed", async () => {
    assert.equal((await load(fromArchive(archive))).descriptor.digest, manifestDigest);
    writeFileSync(`${archive}.gz`, gzipSync(readFileSync(archive)));
    writeFileSync(`${archive}.zst`, zstdCompressSync(readFileSync(archive)));
    for (const path of [`${archive}.gz`, `${archive}.zst`]) {
      assert.equal((await load(fromArchive(path, { ref: "app:1" }))).descriptor.digest, manifestDigest);
    }
  });

  test("of skopeo, with manifest.json only, has the same image id", skopeo, async () => {
    const old = join(temp, "old.tar");
    execFileSync("skopeo", ["copy", "-q", `oci-archive:${archive}`, `docker-archive:${old}:app:old`]);
    const image = await load(fromArchive(old, { ref: "app:old" }));
    const inspected = execFileSync("skopeo", ["inspect", "--config", "--raw", `docker-archive:${old}`]);
    assert.equal(image.imageId, digestOf(inspected));
    await assert.rejects(
      load(fromArchive(old, { ref: "other" })),
      (error) => error instanceof BuildError && /app:old/.test(error.hint ?? ""),
    );
  });

  test("with compressed layers and manifest.json, as kaniko writes it, is read", async () => {
    const layer = tarOf({ x: "1" });
    const gzipped = gzipSync(layer);
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    });
    const path = join(temp, "kaniko.tar");
    const folder = mkdtempSync(join(temp, "k-"));
    writeFileSync(join(folder, "l.tar.gz"), gzipped);
    writeFileSync(join(folder, "c.json"), config);
    writeFileSync(
      join(folder, "manifest.json"),
      JSON.stringify([{ Config: "c.json", RepoTags: null, Layers: ["l.tar.gz"] }]),
    );
    execFileSync("tar", ["cf", path, "-C", folder, "."]);
    const image = await load(fromArchive(path));
    assert.deepEqual(
      image.layers.map(({ descriptor }) => descriptor.digest),
      [digestOf(gzipped)],
    );
    assert.equal(image.imageId, digestOf(config));
  });

  test("that is none, is cut, or is not there says so", async () => {
    const junk = join(temp, "junk.tar");
    writeFileSync(junk, "this is no tar".repeat(100));
    await assert.rejects(
      load(fromArchive(junk)),
      (error) => error instanceof BuildError && error.code === "ARCHIVE_INVALID",
    );
    writeFileSync(junk, readFileSync(archive).subarray(0, 3000));
    await assert.rejects(
      load(fromArchive(junk)),
      (error) => error instanceof BuildError && error.code === "ARCHIVE_INVALID",
    );
    writeFileSync(junk, tarOf({ readme: "hello" }));
    await assert.rejects(
      load(fromArchive(junk)),
      /is not an image archive: it has neither index.json nor manifest.json/,
    );
    await assert.rejects(
      load(fromArchive(join(temp, "none.tar"))),
      (error) => error instanceof BuildError && error.code === "INPUT_MISSING",
    );
  });
});
