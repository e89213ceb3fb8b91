// Archives of a docker before 1.10: no manifest.json, a chain of images with one layer each.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { BuildError } from "../../builder/core/errors.ts";
import { openArchiveFile } from "../../builder/transport/archive-file.ts";
import { archivedImages } from "../../builder/transport/archived-images.ts";
import { validateImage } from "../../builder/image/validate.ts";
import { tarOf } from "../exporter/sample.ts";
import type { Member, Workshop } from "./copy-workshop.ts";
import { archiveOf, openWorkshop, storedDocument } from "./copy-workshop.ts";

const [BASE, TOP] = ["b".repeat(64), "7".repeat(64)];
/** What Debian's docker 20.10.24 calls the image when it has loaded this archive. */
const IMAGE_ID = "sha256:8d5e0cec68a89fafb62a487060f6a0202af0e370c9d2c6574546384c4dc18dcb";

// The fields' order and characters that Go escapes are part of the image id.
const CONFIG = {
  Hostname: "",
  Env: ["PATH=/bin"],
  Cmd: ["/bin/sh", "-c", "a && b <c>"],
  Image: "",
  Volumes: null,
  Labels: { z: "1", a: "<b>" },
};
const IMAGES = {
  [BASE]: {
    id: BASE,
    created: "2015-01-01T00:00:00.5Z",
    docker_version: "1.9.1",
    architecture: "amd64",
    os: "linux",
    Size: 12,
  },
  [TOP]: {
    id: TOP,
    parent: BASE,
    created: "2015-01-02T00:00:00Z",
    container_config: { Hostname: "x", Cmd: ["/bin/sh", "-c", "#(nop) CMD <a> & b"] },
    docker_version: "1.9.1",
    author: "Ann <ann@example.test>",
    comment: "it's & done",
    config: CONFIG,
    architecture: "amd64",
    os: "linux",
    Size: 34,
    throwaway: true,
  },
};
const LAYERS = { [BASE]: tarOf({ "base.txt": "base\n" }), [TOP]: tarOf({ "top.txt": "top\n" }) };

interface Parts {
  readonly repositories?: object | undefined;
  readonly images?: Readonly<Record<string, object>>;
  readonly layers?: Readonly<Record<string, Uint8Array>>;
}

function v1Archive({ repositories, images = IMAGES, layers = LAYERS }: Parts): Buffer {
  const members: Member[] = Object.entries(images).flatMap(([id, image]) => [
    { name: `${id}/VERSION`, content: "1.0" },
    { name: `${id}/json`, content: JSON.stringify(image) },
  ]);
  for (const [id, content] of Object.entries(layers)) members.push({ name: `${id}/layer.tar`, content });
  if (repositories !== undefined) members.push({ name: "repositories", content: JSON.stringify(repositories) });
  return archiveOf(members);
}

suite("an archive of the first docker", () => {
  let shop: Workshop;
  before(async () => {
    shop = await openWorkshop();
  });
  after(() => shop[Symbol.asyncDispose]());

  const write = (name: string, parts: Parts): string => {
    const path = shop.path(name);
    writeFileSync(path, v1Archive(parts));
    return path;
  };

  test("has the image id that docker gives it, and holds together", async () => {
    const path = write("v1.tar", { repositories: { "example.test/app": { "1": TOP, latest: TOP } } });
    for (const [at, from] of [`docker-archive:${path}`, `docker-archive:${path}:example.test/app:1`].entries()) {
      const { images } = await shop.copy(from, `store:v1:${at}`);
      assert.equal(images[0]?.imageId, IMAGE_ID);
      const { descriptor } = await storedDocument(shop.store, `docker.io/library/v1:${at}`);
      await validateImage(descriptor, shop.store, { layers: "deep", signal: new AbortController().signal });
    }
  });

  test("lists its images with their names; without names, what is nobody's parent", async () => {
    const options = { temporaryDirectory: shop.folder };
    await using named = await openArchiveFile(
      write("named.tar", { repositories: { app: { "1": TOP, "2": BASE } } }),
      options,
    );
    assert.deepEqual(
      (await archivedImages(named)).map(({ names }) => names),
      [["docker.io/library/app:1"], ["docker.io/library/app:2"]],
    );
    const path = write("nameless.tar", {});
    await using nameless = await openArchiveFile(path, options);
    assert.deepEqual(
      (await archivedImages(nameless)).map(({ names }) => names),
      [[]],
    );
    assert.equal((await shop.copy(`docker-archive:${path}`, "store:nameless:1")).images[0]?.imageId, IMAGE_ID);
  });

  test("may have compressed layers", async () => {
    const layers = { ...LAYERS, [TOP]: gzipSync(LAYERS[TOP] as Uint8Array) };
    const { images } = await shop.copy(`docker-archive:${write("gz.tar", { layers })}`, "store:gz:1");
    assert.equal(images[0]?.imageId, IMAGE_ID);
  });

  const refused: readonly (readonly [what: string, parts: Parts, message: RegExp])[] = [
    [
      "a circle of parents",
      { images: { ...IMAGES, [BASE]: { ...IMAGES[BASE], parent: TOP } }, repositories: { a: { b: TOP } } },
      /circle/,
    ],
    [
      "a parent that is missing",
      { images: { [TOP]: IMAGES[TOP] as object } },
      /names ".*\/json", which is not in the archive/,
    ],
    [
      "a layer that is missing",
      { layers: { [TOP]: LAYERS[TOP] as Uint8Array } },
      /names ".*\/layer.tar", which is not in the archive/,
    ],
    ["an id that is a path", { repositories: { a: { b: "../../etc" } } }, /"..\/..\/etc" is not the id of an image/],
    ["repositories that are none", { repositories: ["x"] }, /"repositories" of .* is not valid/],
    ["json that is none", { images: { [TOP]: { id: TOP, created: 5 } } }, /json" of .* is not valid/],
  ];
  for (const [what, parts, message] of refused) {
    test(`with ${what} is refused`, async () => {
      const path = write("refused.tar", parts);
      await assert.rejects(shop.copy(`docker-archive:${path}`, "store:refused:1"), (error) => {
        assert(error instanceof BuildError, String(error));
        assert.equal(error.code, "ARCHIVE_INVALID");
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
