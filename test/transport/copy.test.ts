// Copies between all places: what must stay stays, what changes is said, and nothing is sent twice.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { validateImage } from "../../builder/image/validate.ts";
import { parseDocument } from "../../builder/image/read.ts";
import { DEFAULT_LIMITS } from "../../builder/layer/unpack-limits.ts";
import { unpackedBeside } from "../../builder/transport/copy/unpack-beside.ts";
import type { MemoryRegistry } from "../support/memory-registry.ts";
import { startMemoryRegistry } from "../support/memory-registry.ts";
import type { MadeImage, Workshop } from "./copy-workshop.ts";
import { AMD64, identityOf, makeImage, makeIndex, openWorkshop, storedDocument } from "./copy-workshop.ts";

test("a large layer that is checked on its way leaves no listeners behind", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  const tar = Buffer.alloc(64 << 20, "a line\n");
  const packed = gzipSync(tar, { level: 0 });
  const layer = { mediaType: MEDIA.ociLayerGzip, digest: digestOf(packed), size: packed.length };
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < packed.length; at += 1 << 20) yield packed.subarray(at, at + (1 << 20));
  };
  let bytes = 0;
  for await (const passed of unpackedBeside(chunks(), layer, digestOf(tar), DEFAULT_LIMITS, "here"))
    bytes += passed.length;
  await new Promise(setImmediate);
  process.off("warning", note);
  assert.equal(bytes, layer.size);
  assert.deepEqual(warnings, []);
});

const APP = "docker.io/library/app:1";
const never = new AbortController().signal;

suite("a copy", () => {
  let shop: Workshop;
  let registry: MemoryRegistry;
  let image: MadeImage;
  before(async () => {
    shop = await openWorkshop();
    registry = await startMemoryRegistry();
    image = await makeImage(shop.store);
    await shop.store.names.tag(APP, image.document.descriptor);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await shop[Symbol.asyncDispose]();
  });

  const places = (name: string): Readonly<Record<string, string>> => ({
    registry: `docker://${registry.host}/${name}:1`,
    oci: `oci:${shop.path(name)}.oci:1`,
    "oci-archive": `oci-archive:${shop.path(name)}.tar:1`,
    dir: `dir:${shop.path(name)}.dir`,
    store: `store:${name}:there`,
  });

  for (const place of ["registry", "oci", "oci-archive", "dir", "store"]) {
    for (const family of ["oci", "docker"] as const) {
      test(`there and back keeps every digest: ${place}, ${family}`, async () => {
        const made = await makeImage(shop.store, { family, text: `${place} ${family}` });
        const name = `back-${place}-${family}`;
        await shop.store.names.tag(`docker.io/library/${name}:1`, made.document.descriptor);
        const there = places(name)[place] ?? "";
        // A layout is expected to be OCI's; that a Docker manifest may stay in one has to be asked for.
        const wishes = { preserveDigests: true };
        const one = await shop.copy(`store:${name}:1`, there, wishes);
        assert.deepEqual(one.changes, []);
        assert.equal(one.images[0]?.imageId, made.config.digest);
        const two = await shop.copy(there, `store:${name}:back`, wishes);
        assert.deepEqual(two.changes, []);
        const back = await storedDocument(shop.store, `docker.io/library/${name}:back`);
        assert.deepEqual(identityOf(back), identityOf(made.document));
        await validateImage(back.descriptor, shop.store, { layers: "deep", signal: never });
      });
    }
  }

  test("from any place to any other keeps every digest", async () => {
    const all = Object.values(places("all"));
    let from = "store:app:1";
    for (const to of [...all, ...all.toReversed()]) {
      if (from === to) continue;
      const result = await shop.copy(from, to, { preserveDigests: true });
      assert.equal(result.top.digest, image.document.descriptor.digest, `${from} to ${to}`);
      from = to;
    }
  });

  test("through a docker archive keeps the image id, and says that there is no manifest", async () => {
    const archive = `docker-archive:${shop.path("d.tar")}:app:2`;
    const there = await shop.copy("store:app:1", archive);
    assert.equal(there.keepsManifest, false);
    assert.equal(there.images[0]?.imageId, image.config.digest);
    const back = await shop.copy(archive, "store:from-docker:1");
    assert.equal(back.images[0]?.imageId, image.config.digest);
    const { descriptor, bytes } = await storedDocument(shop.store, "docker.io/library/from-docker:1");
    await validateImage(descriptor, shop.store, { layers: "deep", signal: never });
    // Uncompressed layers come out of it, compressed ones go into a registry or the store.
    const { layers } = JSON.parse(Buffer.from(bytes).toString());
    assert.deepEqual([...new Set(layers.map((layer: { mediaType: string }) => layer.mediaType))], [MEDIA.ociLayerGzip]);
    await assert.rejects(
      shop.copy("store:app:1", archive, { preserveDigests: true }),
      (error) => error instanceof BuildError && /cannot keep its digests in docker archive/.test(error.message),
    );
  });

  test("of Docker's schema 2 into a layout becomes OCI, with the same image id, and says so", async () => {
    const made = await makeImage(shop.store, { family: "docker" });
    await shop.store.names.tag("docker.io/library/v2s2:1", made.document.descriptor);
    const result = await shop.copy("store:v2s2:1", `oci:${shop.path("converted")}:1`);
    assert.deepEqual(result.changes, [
      {
        what: "linux/amd64",
        from: made.document.descriptor.digest,
        to: result.top.digest,
        reasons: ["Docker schema 2 becomes OCI"],
      },
    ]);
    assert.equal(result.images[0]?.imageId, made.config.digest);
    assert.equal(result.top.mediaType, MEDIA.ociManifest);
    // And once more to Docker's is the first one again.
    const back = await shop.copy(`oci:${shop.path("converted")}:1`, "store:again:1", { family: "docker" });
    assert.equal(back.top.digest, made.document.descriptor.digest);
  });

  test("to Docker's schema 2 says what is lost, and refuses zstd", async () => {
    const annotated = await makeImage(shop.store, { annotations: { k: "v" }, text: "annotated" });
    await shop.store.names.tag("docker.io/library/annotated:1", annotated.document.descriptor);
    const result = await shop.copy("store:annotated:1", "store:annotated:docker", { family: "docker" });
    assert.match(result.changes[0]?.reasons.join() ?? "", /no place for annotations/);
    const zstd = await makeImage(shop.store, { compression: "zstd" });
    await shop.store.names.tag("docker.io/library/zstd:1", zstd.document.descriptor);
    await assert.rejects(shop.copy("store:zstd:1", "store:zstd:2", { family: "docker" }), /has no zstd layers/);
    const gzip = { compression: "gzip", applies: "others" } as const;
    const made = await shop.copy("store:zstd:1", "store:zstd:2", { family: "docker", compression: gzip });
    assert.equal(made.images[0]?.imageId, zstd.config.digest);
  });

  test("with another compression changes layers and manifest, never diff_ids and image id, and says so", async () => {
    for (const compression of ["zstd", "uncompressed", "gzip"] as const) {
      const to = `store:as-${compression}:1`;
      const result = await shop.copy("store:app:1", to, { compression: { compression, applies: "all" } });
      assert.equal(result.images[0]?.imageId, image.config.digest);
      assert.equal(result.changes.length, 1);
      assert.match(result.changes[0]?.reasons.join() ?? "", /layers are (compressed with|uncompressed)/);
      const { descriptor } = await storedDocument(shop.store, `docker.io/library/as-${compression}:1`);
      await validateImage(descriptor, shop.store, { layers: "deep", signal: never });
    }
    const same = await shop.copy("store:app:1", "store:same:1", {
      compression: { compression: "gzip", applies: "others" },
    });
    assert.deepEqual(same.changes, []);
  });

  test("names the image as often as it is told", async () => {
    const to = `docker://${registry.host}/names:1`;
    await shop.copy("store:app:1", to, { additionalNames: ["2", "latest"] });
    assert.deepEqual(
      ["1", "2", "latest"].map((tag) => registry.manifests.get("names")?.has(tag)),
      [true, true, true],
    );
  });

  test("sends equal blobs once, and none that is there or in another repository", async () => {
    await using empty = await startMemoryRegistry();
    const to = `docker://${empty.host}/once:1`;
    await shop.copy("store:app:1", to);
    const sent = empty.seen.filter(({ method, bytes }) => method !== "GET" && bytes > 0);
    const blobs = new Set([...image.layers, image.config].map(({ digest }) => digest));
    assert.equal(sent.length, blobs.size + 1, "each blob, and the manifest");
    const again = empty.seen.length;
    await shop.copy("store:app:1", to);
    await shop.copy("store:app:1", `docker://${empty.host}/another:1`);
    const more = empty.seen.slice(again).filter(({ bytes }) => bytes > 0);
    assert.deepEqual(
      more.map(({ url }) => url),
      ["/v2/once/manifests/1", "/v2/another/manifests/1"],
    );
  });

  test("between two repositories of a registry sends no blob at all", async () => {
    await shop.copy("store:app:1", `docker://${registry.host}/from:1`);
    const begin = registry.seen.length;
    await shop.copy(`docker://${registry.host}/from:1`, `docker://${registry.host}/to:1`);
    const sent = registry.seen.slice(begin).filter(({ bytes }) => bytes > 0);
    assert.deepEqual(
      sent.map(({ url }) => url),
      ["/v2/to/manifests/1"],
    );
  });

  test("between registries leaves nothing on this machine", async () => {
    await using other = await startMemoryRegistry();
    await shop.copy("store:app:1", `docker://${registry.host}/here:1`);
    const before = readdirSync(shop.folder);
    await shop.copy(`docker://${registry.host}/here:1`, `docker://${other.host}/there:1`);
    assert.deepEqual(readdirSync(shop.folder), before);
    assert.equal(
      other.blobs.get("there")?.size,
      new Set([...image.layers, image.config].map(({ digest }) => digest)).size,
    );
  });

  test("of a name that is not there makes nothing", async () => {
    for (const to of ["oci:none", "dir:none-dir", "oci-archive:none.tar", "docker-archive:none-d.tar"]) {
      const [transport, name = ""] = to.split(":");
      const source = `docker://${registry.host}/nothing:1`;
      await assert.rejects(shop.copy(source, `${transport}:${shop.path(name)}`), { code: "INPUT_MISSING" });
      assert.ok(!readdirSync(shop.folder).includes(name), name);
    }
  });
});

suite("several platforms", () => {
  let shop: Workshop;
  let registry: MemoryRegistry;
  before(async () => {
    shop = await openWorkshop();
    registry = await startMemoryRegistry();
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await shop[Symbol.asyncDispose]();
  });

  test("are copied with their index and attestations: every digest stays", async () => {
    const { top, images } = await makeIndex(shop.store);
    await shop.store.names.tag("docker.io/library/multi:1", top.descriptor);
    let from = "store:multi:1";
    for (const to of [
      `docker://${registry.host}/multi:1`,
      `oci:${shop.path("multi")}:1`,
      `oci-archive:${shop.path("multi.tar")}:1`,
      `dir:${shop.path("multi.dir")}`,
      "store:multi:back",
    ]) {
      const result = await shop.copy(from, to, { which: "all", preserveDigests: true });
      assert.equal(result.top.digest, top.descriptor.digest, to);
      assert.deepEqual(
        result.images.map(({ imageId }) => imageId),
        images.map(({ config }) => config.digest),
      );
      from = to;
    }
  });

  test("without --all are one image, chosen by platform", async () => {
    const { top, images } = await makeIndex(shop.store, { text: "chosen" });
    await shop.store.names.tag("docker.io/library/chosen:1", top.descriptor);
    const to = `oci:${shop.path("chosen")}`;
    const [amd64, arm64] = images;
    assert.equal((await shop.copy("store:chosen:1", `${to}:a`)).top.digest, amd64?.document.descriptor.digest);
    const arm = await shop.copy("store:chosen:1", `${to}:b`, { platform: { os: "linux", architecture: "arm64" } });
    assert.equal(arm.top.digest, arm64?.document.descriptor.digest);
    await assert.rejects(
      shop.copy("store:chosen:1", `${to}:c`, { platform: { os: "linux", architecture: "s390x" } }),
      (error) => error instanceof BuildError && /linux\/arm64/.test(error.hint ?? ""),
    );
  });

  test("of which the images change get another index, whose attestations name the new images", async () => {
    const { top } = await makeIndex(shop.store, { text: "changed" });
    await shop.store.names.tag("docker.io/library/changed:1", top.descriptor);
    const result = await shop.copy("store:changed:1", "store:changed:zstd", {
      which: "all",
      compression: { compression: "zstd", applies: "all" },
    });
    assert.deepEqual(
      result.changes.map(({ what }) => what),
      ["linux/amd64", "linux/arm64", "the index"],
    );
    const { bytes } = await storedDocument(shop.store, "docker.io/library/changed:zstd");
    const document = parseDocument(bytes, "the index");
    assert(document.kind === "index");
    const [amd64, , attestation] = document.index.manifests;
    assert.equal(attestation?.annotations?.["vnd.docker.reference.digest"], amd64?.digest);
    assert.equal(amd64?.digest, result.images[0]?.descriptor.digest);
    assert.deepEqual(amd64?.platform, AMD64);
  });

  test("with attestations do not become Docker's, which has no form for them", async () => {
    const { top } = await makeIndex(shop.store, { text: "attested" });
    await shop.store.names.tag("docker.io/library/attested:1", top.descriptor);
    const all = { which: "all", family: "docker" } as const;
    await assert.rejects(shop.copy("store:attested:1", "store:attested:2", all), /has no form for/);
    const archive = `docker-archive:${shop.path("attested.tar")}`;
    await assert.rejects(shop.copy("store:attested:1", archive, { which: "all" }), /holds images of one platform/);
  });

  test("of which some are missing are refused, and the index alone can be had", async () => {
    const { top, images } = await makeIndex(shop.store, { text: "sparse" });
    await shop.store.names.tag("docker.io/library/sparse:1", top.descriptor);
    await shop.copy("store:sparse:1", `docker://${registry.host}/sparse:1`, { which: "all" });
    await using other = await openWorkshop();
    await other.copy(`docker://${registry.host}/sparse:1`, "store:sparse:1", { which: "sparse" });
    assert.equal(
      (await storedDocument(other.store, "docker.io/library/sparse:1")).descriptor.digest,
      top.descriptor.digest,
    );
    assert.ok(await other.store.has(images[0]?.document.descriptor.digest ?? digestOf("")));
    assert.ok(!(await other.store.has(images[1]?.document.descriptor.digest ?? digestOf(""))));
    await assert.rejects(
      other.copy("store:sparse:1", `oci:${other.path("x")}:1`, { which: "all" }),
      /of the 3 images of .* only 1 are there/,
    );
    const index = await other.copy("store:sparse:1", `dir:${other.path("index")}`, { which: "index" });
    assert.equal(digestOf(readFileSync(other.path("index/manifest.json"))), index.top.digest);
  });
});
