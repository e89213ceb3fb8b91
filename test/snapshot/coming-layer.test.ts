// Layers that are unpacked while they are downloaded: what is verified in the end counts, and nothing else stays.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { type Descriptor, MEDIA } from "../../builder/core/image/descriptor.ts";
import { type Digest, digestOf, hexOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { type Engine, openEngine } from "../../builder/engine.ts";
import type { StoredLayer } from "../../builder/snapshot/ref.ts";
import { type BlobSource, fetchBlob } from "../../builder/transport/pull.ts";

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "tsbuild-coming-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const [first, second] = [randomBytes(1_000_000), randomBytes(2_000_000)];
let blob: Buffer;
let diffId: Digest;
before(() => {
  const files = join(folder, "files");
  mkdirSync(files);
  writeFileSync(join(files, "1"), first);
  writeFileSync(join(files, "2"), second);
  const tar = execFileSync("tar", ["-c", "-C", files, "1", "2"], { maxBuffer: 8 << 20 });
  blob = gzipSync(tar, { level: 1 });
  diffId = digestOf(tar);
});

suite("a layer that is fetched to be unpacked", () => {
  let engine: Engine;
  let target = "";
  beforeEach(async () => {
    engine = await openEngine({ root: mkdtempSync(join(folder, "root-")) });
    target = join(mkdtempSync(join(folder, "target-")), "files");
  });
  afterEach(() => engine[Symbol.asyncDispose]());

  /** The layer, its blob given by `bytesFrom`; the positions that were asked for. */
  function layerOf(
    bytesFrom: (from: number) => AsyncIterable<Uint8Array>,
    is = diffId,
  ): { layer: StoredLayer; asked: number[]; descriptor: Descriptor } {
    const descriptor = { mediaType: MEDIA.ociLayerGzip, digest: digestOf(blob), size: blob.length };
    const asked: number[] = [];
    const source: BlobSource = {
      name: "registry.example/app",
      blob: () => assert.fail("it can go on from a byte"),
      blobFrom(_, from) {
        asked.push(from);
        return bytesFrom(from);
      },
    };
    const layer = engine.layers.ofImage({ descriptor, diffId: is, uncompressedSize: 0 }, [], (wanted, signal, onGrowing) =>
      fetchBlob(source, wanted, engine.store, signal, undefined, onGrowing),
    ); // prettier-ignore
    return { layer, asked, descriptor };
  }
  const isWhole = (): void => {
    assert.deepEqual(readFileSync(join(target, "1")), first);
    assert.deepEqual(readFileSync(join(target, "2")), second);
  };
  const isError = (code: string, message: RegExp) => (error: unknown) =>
    error instanceof BuildError && error.code === code && message.test(error.message);

  test("is unpacked before its last byte has come, and known by its index then", async () => {
    const { layer, descriptor } = layerOf(async function* (from) {
      yield blob.subarray(from, 2_500_000);
      // Without a deadline of its own: whoever unpacks only afterwards never gets here.
      for (let waited = 0; !existsSync(join(target, "1")); waited += 10) {
        assert.ok(waited < 60_000, "nothing is unpacked while the layer comes");
        await sleep(10);
      }
      assert.equal(await engine.store.sizeOf(digestOf(blob)), undefined, "nobody sees the blob yet");
      yield blob.subarray(2_500_000);
    });
    await layer.unpackTo(target, never);
    isWhole();
    assert.equal(await engine.store.sizeOf(descriptor.digest), blob.length);
    assert.deepEqual((await layer.index(never)).map(({ path, digest }) => [path, digest]), [["1", digestOf(first)], ["2", digestOf(second)]]); // prettier-ignore
  });

  test("that is cut off leaves its bytes and no file; the next attempt asks for the rest only", async () => {
    let isCut = true;
    const { layer, asked } = layerOf(async function* (from) {
      yield blob.subarray(from, isCut ? 2_000_000 : undefined);
      if (isCut) throw new BuildError("REGISTRY", "the connection broke 4 times");
    });
    await assert.rejects(layer.unpackTo(target, never), isError("REGISTRY", /broke 4 times/));
    assert.ok(!existsSync(target));
    isCut = false;
    await layer.unpackTo(target, never);
    isWhole();
    assert.deepEqual(asked, [0, 2_000_000]);
  });

  test("whose earlier bytes a disk spoiled is fetched anew, and unpacked from what was verified", async () => {
    const { layer, asked, descriptor } = layerOf(async function* (from) {
      yield blob.subarray(from);
    });
    const partial = join(engine.store.layoutPath, "tsbuild/partial");
    mkdirSync(partial, { recursive: true });
    // A gzip that is none from its second half on.
    writeFileSync(join(partial, hexOf(descriptor.digest)), Buffer.concat([blob.subarray(0, 500_000), Buffer.alloc(500_000)])); // prettier-ignore
    await layer.unpackTo(target, never);
    isWhole();
    assert.deepEqual(asked, [1_000_000, 0]);
  });

  test("that is another one than its digest says is thrown away, files and all", async () => {
    const other = Buffer.from(blob);
    other[other.length - 5] = (other[other.length - 5] ?? 0) ^ 1;
    for (const lie of [other, blob.subarray(0, -1), Buffer.concat([blob, blob])]) {
      const { layer, descriptor } = layerOf(async function* (from) {
        yield lie.subarray(from);
      });
      await assert.rejects(
        layer.unpackTo(target, never),
        isError("DIGEST_INVALID", new RegExp(`^registry.example/app.*${descriptor.digest}`)),
      );
      assert.ok(!existsSync(target));
      assert.equal(await engine.store.sizeOf(descriptor.digest), undefined);
    }
  });

  test("whose tar is another one than its image says stays a blob", async () => {
    const { layer, descriptor } = layerOf(async function* (from) {
      yield blob.subarray(from);
    }, digestOf("another"));
    await assert.rejects(
      layer.unpackTo(target, never),
      isError("ARCHIVE_INVALID", /^layer sha256:[0-9a-f]{64}: .* expected, sha256:.* found/),
    );
    assert.ok(!existsSync(target));
    assert.equal(await engine.store.sizeOf(descriptor.digest), blob.length);
  });

  test("that was there and has been damaged since is named as such, with what mends it", async () => {
    const { layer, asked, descriptor } = layerOf(async function* () {});
    await engine.store.put(blob);
    writeFileSync(await engine.store.pathOf(descriptor.digest), Buffer.from(blob).fill(0, 5000, 5100));
    await assert.rejects(layer.unpackTo(target, never), (error) => {
      assert.ok(
        isError("DIGEST_INVALID", /is damaged in the store: the bytes of ".*" have sha256:/)(error),
        String(error),
      );
      return error instanceof BuildError && /fsck --repair/.test(error.hint ?? "");
    });
    assert.deepEqual(asked, []);
  });

  test("ends when it is given up, and leaves no file", async () => {
    const given = new AbortController();
    const { layer } = layerOf(async function* (from) {
      yield blob.subarray(from, 2_500_000);
      for (let waited = 0; waited < 60_000 && !existsSync(join(target, "1")); waited += 10) await sleep(10);
      given.abort(new BuildError("CANCELLED", "given up"));
      yield blob.subarray(2_500_000);
    });
    await assert.rejects(layer.unpackTo(target, given.signal), isError("CANCELLED", /./));
    assert.ok(!existsSync(target));
    assert.deepEqual(readdirSync(join(engine.store.layoutPath, "blobs/sha256")), []);
  });
});
