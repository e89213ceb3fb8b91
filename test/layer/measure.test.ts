// A blob is measured, whatever is said of it, and a damaged one is a finding.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { digestOf } from "../../builder/core/digest.ts";
import { measureBlob } from "../../builder/layer/measure.ts";
import { never, tarOf } from "./support.ts";

const tar = tarOf([{ name: "a", content: "content of a" }, { name: "b/" }]);

for (const [format, blob] of [
  ["gzip", gzipSync(tar)],
  ["zstd", zstdCompressSync(tar)],
  ["plain", tar],
] as const) {
  test(`a ${format} blob has the digests of its bytes and of its tar`, async () => {
    assert.deepEqual(await measureBlob(piecesOf(blob), never), {
      digest: digestOf(blob),
      size: blob.length,
      format,
      diffId: digestOf(tar),
      uncompressedSize: tar.length,
      fault: undefined,
    });
  });
}

test("what follows the compressed data still counts for the blob's digest", async () => {
  const blob = Buffer.concat([gzipSync(tar), Buffer.from("more")]);
  const found = await measureBlob(piecesOf(blob), never);
  assert.deepEqual([found.digest, found.size], [digestOf(blob), blob.length]);
});

test("a cut or damaged blob says why, and has its own digest all the same", async () => {
  const whole = gzipSync(tar);
  const cut = whole.subarray(0, whole.length - 12);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 6] = (damaged[damaged.length - 6] ?? 0) ^ 1;
  for (const [blob, fault] of [
    [cut, /gzip data is cut/],
    [damaged, /gzip data is damaged/],
  ] as const) {
    const found = await measureBlob(piecesOf(blob), never);
    assert.deepEqual([found.digest, found.size, found.diffId], [digestOf(blob), blob.length, undefined]);
    assert.match(found.fault ?? "", fault);
  }
});

test("a tar that no layer may be is a fault, though it unpacks", async () => {
  const hostile = tarOf([{ name: "../outside", content: "x" }]);
  const found = await measureBlob(piecesOf(gzipSync(hostile)), never);
  assert.equal(found.diffId, digestOf(hostile));
  assert.match(found.fault ?? "", /leads out of the archive/);
  const noTar = await measureBlob(piecesOf(Buffer.alloc(2000, "no tar ")), never);
  assert.match(noTar.fault ?? "", /invalid archive/);
});

test("a source that fails is no finding about the blob", async () => {
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield gzipSync(tar).subarray(0, 20);
    throw new Error("the line is dead");
  };
  await assert.rejects(measureBlob(failing(), never), /the line is dead/);
});

function* piecesOf(bytes: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
}
