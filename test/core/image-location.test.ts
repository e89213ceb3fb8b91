// The names of places where images are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLocation, locationInName, parseLocation } from "../../builder/core/image/image-location.ts";
import { BuildError } from "../../builder/core/errors.ts";

const DIGEST = `sha256:${"a".repeat(64)}` as const;

test("every transport is read as skopeo writes it", () => {
  assert.deepEqual(parseLocation("docker://busybox"), {
    transport: "docker",
    reference: { registry: "docker.io", repository: "library/busybox", tag: "latest" },
  });
  assert.deepEqual(parseLocation("oci:a/b"), { transport: "oci", path: "a/b" });
  // The path ends at the first colon.
  assert.deepEqual(parseLocation("oci:/a:b/c:d"), { transport: "oci", path: "/a", ref: "b/c:d" });
  assert.deepEqual(parseLocation("oci:a:@3"), { transport: "oci", path: "a", index: 3 });
  assert.deepEqual(parseLocation(`oci:a:@${DIGEST}`), { transport: "oci", path: "a", digest: DIGEST });
  assert.deepEqual(parseLocation("oci-archive:x.tar:v1"), { transport: "oci-archive", path: "x.tar", ref: "v1" });
  assert.deepEqual(parseLocation("docker-archive:x.tar:app"), {
    transport: "docker-archive",
    path: "x.tar",
    ref: "docker.io/library/app:latest",
  });
  assert.deepEqual(parseLocation("docker-archive:x.tar:@0"), { transport: "docker-archive", path: "x.tar", index: 0 });
  assert.deepEqual(parseLocation(`docker-daemon:${DIGEST}`), { transport: "docker-daemon", image: DIGEST });
  assert.deepEqual(parseLocation("dir:/x:y"), { transport: "dir", path: "/x:y" });
  assert.deepEqual(parseLocation("store:app:1"), { transport: "store", image: "app:1" });
});

test("what is written is read again", () => {
  for (const text of [
    "docker://registry.example:5000/team/app:1",
    "oci:dir:v1",
    "oci:dir:@2",
    `oci:dir:@${DIGEST}`,
    "oci-archive:/x.tar",
    "docker-archive:x.tar:@1",
    `docker-daemon:${DIGEST}`,
    "dir:/tmp/x",
    "store:app",
  ])
    assert.equal(formatLocation(parseLocation(text)), text);
});

test("what is no place says what one looks like", () => {
  const cases: readonly (readonly [text: string, code: string, message: RegExp])[] = [
    ["busybox", "USAGE", /does not say where the image is/],
    ["busybox:latest", "USAGE", /does not say where/],
    ["docker:busybox", "USAGE", /is written docker:\/\/name/],
    ["oci:", "USAGE", /names no path/],
    ["oci:x:a b", "USAGE", /"a b" is not a name/],
    ["oci:x:@-1", "USAGE", /neither @ and a number/],
    [`oci-archive:x:@${DIGEST}`, "USAGE", /neither @ and a number/],
    [`docker-archive:x:app@${DIGEST}`, "USAGE", /knows no digests/],
    ["docker-archive:x:UPPER", "REFERENCE_INVALID", /lower case/],
    ["dir:", "USAGE", /names no folder/],
    ["store:", "USAGE", /names no image/],
    ["containers-storage:busybox", "UNSUPPORTED", /storage of podman and buildah/],
    ["ostree:x", "UNSUPPORTED", /"ostree" is not supported/],
  ];
  for (const [text, code, message] of cases) {
    assert.throws(
      () => parseLocation(text),
      (error) => error instanceof BuildError && error.code === code && message.test(error.message),
      text,
    );
  }
});

test("where a name is expected, a transport makes a place", () => {
  for (const name of ["busybox", "docker:27", "docker.io/library/oci:x", "localhost:5000/dir:1"])
    assert.equal(locationInName(name), undefined, name);
  assert.deepEqual(locationInName("oci:x"), { transport: "oci", path: "x" });
  assert.equal(locationInName("oci:/x")?.transport, "oci");
  assert.equal(locationInName("dir:./x")?.transport, "dir");
  assert.equal(locationInName("docker-daemon:x")?.transport, "docker-daemon");
  assert.equal(locationInName("docker://x")?.transport, "docker");
  assert.deepEqual(locationInName("oci-layout:dir"), { transport: "oci", path: "dir" });
  assert.deepEqual(locationInName(`oci-layout://dir:v1@${DIGEST}`), {
    transport: "oci",
    path: "dir",
    ref: "v1",
    digest: DIGEST,
  });
});
