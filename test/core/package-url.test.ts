// Package URLs as the purl specification and BuildKit write them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatPackageUrl, imagePackageUrl } from "../../builder/core/package-url.ts";

const AMD64 = { os: "linux", architecture: "amd64" };
const DIGEST = `sha256:${"ab".repeat(32)}`;

// The right side is what BuildKit's provenance has for these names.
for (const [name, purl] of [
  ["busybox", "pkg:docker/busybox@latest?platform=linux%2Famd64"],
  ["docker.io/library/busybox:1.36", "pkg:docker/busybox@1.36?platform=linux%2Famd64"],
  ["foo/bar:1", "pkg:docker/foo/bar@1?platform=linux%2Famd64"],
  ["127.0.0.1:5077/library/busybox", "pkg:docker/127.0.0.1%3A5077/library/busybox@latest?platform=linux%2Famd64"],
  [`busybox@${DIGEST}`, `pkg:docker/busybox?digest=${DIGEST}&platform=linux%2Famd64`],
  [`busybox:1@${DIGEST}`, `pkg:docker/busybox@1?digest=${DIGEST}&platform=linux%2Famd64`],
] as const) {
  test(`the image ${name.slice(0, 30)}`, () => {
    assert.equal(imagePackageUrl(name, AMD64), purl);
  });
}

test("an image of a layout is of another type, and a variant belongs to the platform", () => {
  const arm = { os: "linux", architecture: "arm", variant: "v7" };
  assert.equal(imagePackageUrl("app:1", arm, "oci"), "pkg:oci/app@1?platform=linux%2Farm%2Fv7");
});

test("what has a meaning in a URL is escaped, qualifiers are sorted and empty ones left out", () => {
  assert.equal(
    formatPackageUrl({
      type: "deb",
      namespace: "debian",
      name: "libstdc++6",
      version: "1:12.2.0-14+b1",
      qualifiers: { distro: "debian-12", arch: "amd64", upstream: "gcc-12@12.2.0", epoch: "" },
    }),
    "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bb1?arch=amd64&distro=debian-12&upstream=gcc-12%4012.2.0",
  );
  assert.equal(
    formatPackageUrl({ type: "npm", namespace: "@scope", name: "a(b)'c", version: "1.0.0" }),
    "pkg:npm/%40scope/a%28b%29%27c@1.0.0",
  );
});
