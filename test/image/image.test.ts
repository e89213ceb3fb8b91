// Config, manifest and index: their bytes, and what is refused.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { ConfigDraft } from "../../builder/core/image/image-config.ts";
import { parsePlatform } from "../../builder/core/image/platform.ts";
import type { ConfigLayer } from "../../builder/image/config.ts";
import { assembleConfig } from "../../builder/image/config.ts";
import { assembleIndex, chooseManifest } from "../../builder/image/index.ts";
import { assembleManifest } from "../../builder/image/manifest.ts";
import { parseConfig, parseDocument, parseImageManifest } from "../../builder/image/read.ts";
import type { BlobReader } from "../../builder/image/validate.ts";
import { validateImage } from "../../builder/image/validate.ts";

const signal = new AbortController().signal;
const CREATED = Date.UTC(2026, 0, 2, 3, 4, 5, 600);
const draft: ConfigDraft = {
  architecture: "amd64",
  os: "linux",
  config: { WorkingDir: "/", Env: ["PATH=/bin"], Cmd: ["sh"], Labels: { b: "<2>", a: "1" }, Entrypoint: [], User: "" },
  history: [{ created: "2020-01-01T00:00:00Z", created_by: "base" }, { created_by: "RUN a && b" }],
};
const layer = (name: string): ConfigLayer => ({ diffId: digestOf(name), createdMs: CREATED });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const isError =
  (code: string, message: RegExp) =>
  (error: unknown): boolean => {
    assert(error instanceof BuildError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };

suite("a config", () => {
  test("has the bytes that BuildKit would write", () => {
    const { bytes } = assembleConfig(draft, ["1", "2"].map(layer), CREATED);
    assert.equal(
      text(bytes),
      `{"architecture":"amd64","config":{"Env":["PATH=/bin"],"Cmd":["sh"],"WorkingDir":"/","Labels":{"a":"1","b":"\\u003c2\\u003e"}},` +
        `"created":"2026-01-02T03:04:05.6Z","history":[{"created":"2020-01-01T00:00:00Z","created_by":"base"},` +
        `{"created":"2026-01-02T03:04:05.6Z","created_by":"RUN a \\u0026\\u0026 b"}],"os":"linux",` +
        `"rootfs":{"type":"layers","diff_ids":["${digestOf("1")}","${digestOf("2")}"]}}`,
    );
  });

  test("has the epoch as its time everywhere but in the history of the base", () => {
    const { config } = assembleConfig(draft, ["1", "2"].map(layer), CREATED, 0);
    assert.equal(config.created, "1970-01-01T00:00:00Z");
    assert.deepEqual(
      config.history?.map(({ created }) => created),
      ["2020-01-01T00:00:00Z", "1970-01-01T00:00:00Z"],
    );
  });

  test("has the times of its layers, whenever it is put together", () => {
    const made = (at: number): ConfigLayer => ({ diffId: digestOf("x"), createdMs: at });
    const history = [
      { created: "2020-01-01T00:00:00Z", created_by: "base" },
      { created_by: "ENV", empty_layer: true },
      { created_by: "RUN 1" },
      { created_by: "USER", empty_layer: true },
      { created_by: "RUN 2" },
      { created_by: "CMD", empty_layer: true },
    ];
    const layers = [{ diffId: digestOf("b") }, made(1000), made(2000)];
    const { config, digest } = assembleConfig({ ...draft, history }, layers, CREATED);
    assert.deepEqual(
      config.history?.map(({ created }) => created?.slice(17, 19)),
      ["00", "01", "01", "01", "02", "02"],
    );
    assert.equal(config.created, "1970-01-01T00:00:02Z");
    assert.equal(assembleConfig({ ...draft, history }, layers, CREATED + 5000).digest, digest);
  });

  test("of a base without history tells at the end of the layers that are left, by the steps that made the topmost", () => {
    const history = [
      { created_by: "RUN x", step: "[1/2] RUN x" },
      { created_by: "USER x", empty_layer: true },
      { created_by: "RUN y", step: "[2/2] RUN y" },
    ];
    const { config, bytes } = assembleConfig({ ...draft, history }, ["1", "2", "3"].map(layer), 0);
    assert.deepEqual(
      config.history?.map(({ created_by }) => created_by),
      ["RUN x", "USER x", "RUN y", "[2/2] RUN y"],
    );
    assert.doesNotMatch(Buffer.from(bytes).toString(), /"step"/);
  });

  test("of a base with more history than layers keeps the story, without layers", () => {
    const { config } = assembleConfig(draft, ["1"].map(layer), 0);
    assert.deepEqual(
      config.history?.map(({ empty_layer }) => empty_layer),
      [undefined, true],
    );
  });

  test("from an old docker, full of nulls, is read", () => {
    const config = parseConfig(
      bytesOf({
        architecture: "amd64",
        os: "linux",
        config: { Cmd: null, Volumes: { "/v": {} }, Labels: null, Foo: 1 },
        rootfs: { type: "layers", diff_ids: [] },
        history: null,
      }),
      "x",
    );
    assert.deepEqual(config.config, { Volumes: { "/v": {} }, Foo: 1 });
    assert.equal(config.history, undefined);
  });

  test("that is none is refused with the place of the fault", () => {
    assert.throws(
      () => parseConfig(Buffer.from("<html>"), "the config"),
      isError("ARCHIVE_INVALID", /the config is not JSON: it begins with "<html>"/),
    );
    assert.throws(
      () =>
        parseConfig(
          bytesOf({ os: "linux", architecture: "a", rootfs: { type: "layers", diff_ids: ["md5:1"] } }),
          "the config",
        ),
      isError("ARCHIVE_INVALID", /"rootfs.diff_ids.0": "md5:1" is not a sha256 digest/),
    );
  });
});

suite("manifests and indexes", () => {
  const config: Descriptor = { mediaType: MEDIA.ociConfig, digest: digestOf("c"), size: 1 };
  const layer: Descriptor = { mediaType: MEDIA.dockerLayerGzip, digest: digestOf("l"), size: 1 };

  test("have the layers' media types of their family, and come back as they were", () => {
    const made = assembleManifest(config, [layer], "oci", { b: "2", a: "1" });
    const read = parseImageManifest(made.bytes, "it");
    assert.equal(read.layers[0]?.mediaType, MEDIA.ociLayerGzip);
    assert.deepEqual(Object.keys(read.annotations ?? {}), ["a", "b"]);
    assert.match(
      text(made.bytes),
      /^\{\n  "schemaVersion": 2,\n  "mediaType": "application\/vnd.oci.image.manifest.v1\+json",\n  "config": \{\n/,
    );
    assert.equal(made.descriptor.digest, digestOf(made.bytes));
  });

  test("of Docker's family take no annotations", () => {
    assert.throws(
      () => assembleManifest(config, [], "docker", { a: "1" }),
      isError("UNSUPPORTED", /have no annotations/),
    );
  });

  test("of schema 1, of artifacts, with foreign or unknown layers are refused by name", () => {
    assert.throws(
      () => parseDocument(bytesOf({ schemaVersion: 1, fsLayers: [] }), "old"),
      isError("UNSUPPORTED", /old is of Docker's schema 1/),
    );
    const withLayer = (mediaType: string): Uint8Array =>
      bytesOf({ schemaVersion: 2, config, layers: [{ ...layer, mediaType }] });
    assert.throws(
      () => parseImageManifest(withLayer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "it"),
      isError("UNSUPPORTED", /is foreign/),
    );
    assert.throws(
      () => parseImageManifest(withLayer("application/x-what"), "it"),
      isError("UNSUPPORTED", /unknown media type "application\/x-what"/),
    );
    assert.throws(
      () =>
        parseImageManifest(
          bytesOf({
            schemaVersion: 2,
            config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" },
            layers: [],
          }),
          "it",
        ),
      isError("UNSUPPORTED", /no container image but an artifact/),
    );
  });

  test("that are both at once are refused", () => {
    assert.throws(
      () => parseDocument(bytesOf({ schemaVersion: 2, config, layers: [], manifests: [] }), "it"),
      isError("ARCHIVE_INVALID", /a manifest and an index at once/),
    );
    assert.throws(
      () => parseDocument(bytesOf({ schemaVersion: 2, mediaType: MEDIA.ociIndex, config, layers: [] }), "it"),
      isError("ARCHIVE_INVALID", /calls itself/),
    );
  });

  test("the platform's best entry is chosen, never an attestation; none is an error that tells what there is", () => {
    const entry = (platform: string, name: string): Descriptor => ({
      mediaType: MEDIA.ociManifest,
      digest: digestOf(name),
      size: 1,
      platform: parsePlatform(platform),
    });
    const attestation: Descriptor = {
      ...entry("linux/amd64", "att"),
      platform: { os: "unknown", architecture: "unknown" },
      annotations: { "vnd.docker.reference.type": "attestation-manifest" },
    };
    const document = assembleIndex(
      [attestation, entry("linux/arm/v6", "v6"), entry("linux/arm/v7", "v7"), entry("linux/arm64", "64")],
      "oci",
    );
    const parsed = parseDocument(document.bytes, "it");
    assert(parsed.kind === "index");
    const choose = (platform: string): Digest => chooseManifest(parsed.index, parsePlatform(platform), "it").digest;
    assert.equal(choose("linux/arm/v7"), digestOf("v7"));
    assert.equal(choose("linux/arm/v6"), digestOf("v6"));
    assert.equal(choose("linux/arm64"), digestOf("64"));
    assert.throws(
      () => choose("linux/s390x"),
      (error) => error instanceof BuildError && error.hint === "it has linux/arm/v6, linux/arm/v7, linux/arm64",
    );
  });
});

suite("validation", () => {
  const tars = [Buffer.from("first layer"), Buffer.from("second layer")];
  const blobs = new Map<Digest, Uint8Array>();
  const put = (bytes: Uint8Array): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType: "", digest, size: bytes.length };
  };
  const reader: BlobReader = {
    async read(digest) {
      const found = blobs.get(digest);
      assert(found !== undefined);
      return found;
    },
    sizeOf: async (digest) => blobs.get(digest)?.length,
    async *open(digest) {
      yield blobs.get(digest) ?? Buffer.alloc(0);
    },
  };
  const layers: Descriptor[] = [
    { ...put(gzipSync(tars[0] ?? "")), mediaType: MEDIA.ociLayerGzip },
    { ...put(zstdCompressSync(tars[1] ?? "")), mediaType: MEDIA.ociLayerZstd },
  ];
  const make = (diffIds: readonly Digest[], use = layers, history = draft.history): Descriptor => {
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: diffIds },
      history,
    });
    const manifest = assembleManifest({ ...put(Buffer.from(config)), mediaType: MEDIA.ociConfig }, use, "oci");
    put(manifest.bytes);
    return manifest.descriptor;
  };
  const good = tars.map((tar) => digestOf(tar));

  test("accepts what holds together, down to the bytes of the layers", async () => {
    const image = await validateImage(make(good), reader, { layers: "deep", signal });
    assert.equal(image.imageId, image.manifest.config.digest);
  });

  test("finds each identity that does not hold", async () => {
    const swapped = [...good].reverse();
    await assert.rejects(
      validateImage(make(swapped), reader, { layers: "deep", signal }),
      isError("ARCHIVE_INVALID", /layer 1 .* unpacks to/),
    );
    const diffIds = new Map(layers.map((layer, place) => [layer.digest, good[place] as Digest]));
    await assert.rejects(
      validateImage(make(swapped), reader, { layers: "present", diffIds, signal }),
      isError("ARCHIVE_INVALID", /layer 1 .* unpacks to/),
    );
    await assert.rejects(
      validateImage(make(good.slice(1)), reader, { layers: "present", signal }),
      isError("ARCHIVE_INVALID", /2 layers, the config 1 diff_ids/),
    );
    const [first, second] = layers as [Descriptor, Descriptor];
    await assert.rejects(
      validateImage(make(good, [{ ...first, size: 3 }, second]), reader, { layers: "present", signal }),
      isError("ARCHIVE_INVALID", /bytes, the manifest says 3/),
    );
    await assert.rejects(
      validateImage(make(good, [{ ...first, digest: digestOf("gone") }, second]), reader, {
        layers: "present",
        signal,
      }),
      isError("ARCHIVE_INVALID", /is missing/),
    );
    await validateImage(make(good, [{ ...first, digest: digestOf("gone") }, second]), reader, {
      layers: "absent",
      signal,
    });
    await assert.rejects(
      validateImage(make(good, layers, [{}, {}, {}]), reader, { layers: "present", signal }),
      isError("ARCHIVE_INVALID", /history tells of 3 layers/),
    );
    await assert.rejects(
      validateImage({ ...make(good), platform: parsePlatform("linux/arm64") }, reader, { layers: "present", signal }),
      isError("ARCHIVE_INVALID", /the index calls it linux\/arm64, its config linux\/amd64/),
    );
    const descriptor = make(good);
    blobs.set(descriptor.digest, Buffer.concat([blobs.get(descriptor.digest) ?? Buffer.alloc(0), Buffer.from(" ")]));
    await assert.rejects(
      validateImage(descriptor, reader, { layers: "present", signal }),
      isError("ARCHIVE_INVALID", /its descriptor says/),
    );
  });
});
