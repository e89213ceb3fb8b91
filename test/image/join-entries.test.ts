import assert from "node:assert/strict";
import { test } from "node:test";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { parsePlatform } from "../../builder/core/image/platform.ts";
import { entriesFor, joinEntries } from "../../builder/image/join-entries.ts";

function image(name: string, platform: string): Descriptor {
  return {
    mediaType: MEDIA.ociManifest,
    digest: digestOf(name),
    size: 1,
    platform: parsePlatform(platform),
  };
}

function attestation(of: Descriptor): Descriptor {
  const annotations = {
    "vnd.docker.reference.type": "attestation-manifest",
    "vnd.docker.reference.digest": of.digest,
  };
  return {
    ...image(`about ${of.digest}`, "linux/amd64"),
    platform: { os: "unknown", architecture: "unknown" },
    annotations,
  };
}

const [amd, arm, newer] = [image("a", "linux/amd64"), image("b", "linux/arm64"), image("c", "linux/amd64")];

test("two images of one platform are refused, naming both; equal ones are one", () => {
  const clash = (): unknown =>
    joinEntries(undefined, [
      { name: "x:1", entries: [amd] },
      { name: "x:2", entries: [newer] },
    ]);
  assert.throws(clash, { code: "USAGE", message: '"x:1" and "x:2" both have an image for linux/amd64' });
  const arm8 = { ...image("d", "linux/arm64"), platform: { os: "linux", architecture: "arm64", variant: "v8" } };
  assert.throws(
    () =>
      joinEntries(undefined, [
        { name: "x", entries: [arm] },
        { name: "y", entries: [arm8] },
      ]),
    /linux\/arm64/,
  );
  assert.deepEqual(
    joinEntries(undefined, [
      { name: "x", entries: [amd, arm] },
      { name: "y", entries: [amd] },
    ]),
    [amd, arm],
  );
});

test("what one index has of a platform twice stays, also when it replaces another's", () => {
  const [zstd, gzip] = [image("z", "linux/amd64"), image("g", "linux/amd64")];
  assert.deepEqual(joinEntries(undefined, [{ name: "x", entries: [zstd, gzip] }]), [zstd, gzip]);
  const old = { name: "old", entries: [amd, arm] };
  assert.deepEqual(joinEntries(old, [{ name: "x", entries: [zstd, gzip] }]), [zstd, gzip, arm]);
});

test("a new image takes the old one's place, and what attested that one is gone", () => {
  const old = { name: "old", entries: [amd, arm, attestation(amd), attestation(arm)] };
  const joined = joinEntries(old, [{ name: "new", entries: [newer, attestation(newer)] }]);
  assert.deepEqual(joined, [newer, arm, attestation(arm), attestation(newer)]);
});

test("platforms choose images and what attests them; one that is not there is an error", () => {
  const all = [amd, arm, attestation(amd), attestation(arm)];
  assert.deepEqual(entriesFor(all, [parsePlatform("arm64")]), [arm, attestation(arm)]);
  assert.deepEqual(entriesFor(all, []), all);
  assert.throws(() => entriesFor(all, [parsePlatform("arm64"), parsePlatform("s390x")]), {
    code: "INPUT_MISSING",
    message: "there is no image for linux/s390x",
  });
});
