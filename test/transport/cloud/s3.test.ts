// A bucket: whole objects, parts, ranges, lists, and what a server that looks closely refuses.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { suite, test } from "node:test";
import { AwsLogin } from "../../../builder/transport/cloud/aws-credentials.ts";
import type { S3Object } from "../../../builder/transport/cloud/s3.ts";
import { S3Bucket } from "../../../builder/transport/cloud/s3.ts";
import { HttpClient } from "../../../builder/transport/registry/http/http.ts";
import { signatureFault } from "../../support/cloud/aws-signature.ts";
import type { S3Standin } from "../../support/cloud/s3-standin.ts";
import { startS3Standin } from "../../support/cloud/s3-standin.ts";

const KEYS = { accessKeyId: "AKID", secretAccessKey: "se/cret+key", sessionToken: "to/ken=" };
const PLACE = { bucket: "cache", region: "eu-north-1" };
const PART = 64 << 10;
const signal = AbortSignal.timeout(60_000);

function bucketOf({ url }: S3Standin, keys = KEYS): S3Bucket & Disposable {
  const http = new HttpClient({ allowsPlain: () => true });
  const bucket = new S3Bucket(
    { ...PLACE, endpoint: url },
    new AwsLogin({ kind: "keys", credentials: keys }, http),
    http,
    PART,
  );
  return Object.assign(bucket, { [Symbol.dispose]: () => http.close() });
}

function objectOf(bytes: Uint8Array): S3Object {
  const open = async function* (): AsyncIterable<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
  };
  return { sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex"), open };
}

suite("a bucket of S3", () => {
  test("the stand-in's own judgement is that of Amazon's documented example", () => {
    const headers = {
      host: "examplebucket.s3.amazonaws.com",
      range: "bytes=0-9",
      "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "x-amz-date": "20130524T000000Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    };
    const rules = {
      service: "s3",
      region: "us-east-1",
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      nowMs: Date.UTC(2013, 4, 24),
    };
    const request = { method: "GET", target: "/test.txt", headers, body: Buffer.alloc(0) };
    assert.equal(signatureFault(request, rules), undefined);
    assert.match(signatureFault({ ...request, target: "/other.txt" }, rules) ?? "", /SignatureDoesNotMatch/);
  });

  test("objects come back as they were put, also under names that have to be escaped", async () => {
    await using server = await startS3Standin({ ...PLACE, ...KEYS, leastPartBytes: PART });
    using bucket = bucketOf(server);
    const keys = ["blobs/sha256:0a", "a b+c/ü&<~'()*!", "empty"];
    for (const key of keys) {
      const bytes = Buffer.from(key === "empty" ? "" : `of ${key}`);
      await bucket.put(key, objectOf(bytes), signal);
      assert.deepEqual(await bucket.read(key, 100, signal), bytes);
      assert.equal((await bucket.head(key, signal))?.sizeBytes, bytes.length);
    }
    assert.deepEqual([...server.objects.keys()], keys);
    assert.equal(await bucket.head("nothing", signal), undefined);
    assert.equal(await bucket.read("nothing", 100, signal), undefined);
    assert.equal((await buffer(bucket.open("blobs/sha256:0a", 3, signal))).toString(), "blobs/sha256:0a");
    assert.deepEqual(await Array.fromAsync(bucket.list("", signal)), keys.toSorted());
    assert.deepEqual(await Array.fromAsync(bucket.list("a b+", signal)), [keys[1]]);
  });

  test("a large object goes in parts, and is touched without its bytes", async () => {
    await using server = await startS3Standin({ ...PLACE, ...KEYS, leastPartBytes: PART });
    using bucket = bucketOf(server);
    const bytes = Buffer.alloc(2 * PART + 7, "0123456789abcdef!");
    await bucket.put("large", objectOf(bytes), signal);
    const stored = server.objects.get("large");
    assert.ok(stored?.bytes.equals(bytes));
    assert.equal(server.asked.filter((one) => one === "PUT large").length, 3);
    if (stored !== undefined) stored.modifiedMs = 0;
    await bucket.touch("large", bytes.length, signal);
    assert.ok((server.objects.get("large")?.modifiedMs ?? 0) > 0);
  });

  test("of an upload that fails in the middle nothing stays", async () => {
    await using server = await startS3Standin({ ...PLACE, ...KEYS, leastPartBytes: PART });
    using bucket = bucketOf(server);
    server.fail = (method, _, query) => (method === "PUT" && query.get("partNumber") === "2" ? 403 : undefined);
    const bytes = Buffer.alloc(3 * PART);
    await assert.rejects(bucket.put("large", objectOf(bytes), signal), /part 2 of "large".*HTTP 403: SlowDown/);
    assert.equal(server.uploads.size, 0);
    assert.equal(server.objects.size, 0);
  });

  test("a refusal says who refused what and why, and never a key", async () => {
    await using server = await startS3Standin({ ...PLACE, ...KEYS, leastPartBytes: PART });
    using bucket = bucketOf(server, { ...KEYS, secretAccessKey: "another-secret" });
    await assert.rejects(bucket.read("x", 10, signal), (error: Error) => {
      assert.match(
        error.message,
        /cannot read "x" in s3:\/\/cache: "127\.0\.0\.1:\d+" answered HTTP 403: SignatureDoesNotMatch/,
      );
      assert.doesNotMatch(error.message, /another-secret|to\/ken/);
      return true;
    });
  });
});
