// Copies at the same time, and copies that are killed: nobody sees half an image, and the next one cleans up and completes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { assembleManifest } from "../../builder/image/manifest.ts";
import { validateImage } from "../../builder/image/validate.ts";
import { startMemoryRegistry, type MemoryRegistry } from "../support/memory-registry.ts";
import { makeImage, openWorkshop, storedDocument, type MadeImage, type Workshop } from "../transport/copy-workshop.ts";
import { TSBUILD } from "./workshop.ts";

const never = new AbortController().signal;

suite("copies at the same time", () => {
  let shop: Workshop;
  const images: MadeImage[] = [];
  before(async () => {
    shop = await openWorkshop();
    for (const at of [0, 1, 2, 3, 4, 5]) {
      const made = await makeImage(shop.store, { text: `image ${at}` });
      images.push(made);
      await shop.store.names.tag(`docker.io/library/app:${at}`, made.document.descriptor);
    }
  });
  after(() => shop[Symbol.asyncDispose]());

  test("into one layout are all there", async () => {
    const path = shop.path("layout");
    await Promise.all(images.map((_, at) => shop.copy(`store:app:${at}`, `oci:${path}:${at}`)));
    for (const [at, image] of images.entries()) {
      const { top } = await shop.copy(`oci:${path}:${at}`, `store:back:${at}`);
      assert.equal(top.digest, image.document.descriptor.digest);
    }
    assert.deepEqual(readdirSync(path).toSorted(), ["blobs", "index.json", "oci-layout"]);
  });

  test("into one folder, one archive, one name: one of them is there, whole", async () => {
    for (const to of [`dir:${shop.path("dir")}`, `oci-archive:${shop.path("a.tar")}`, "store:one:1"]) {
      await Promise.all(images.map((_, at) => shop.copy(`store:app:${at}`, to)));
      const { top, images: copied } = await shop.copy(to, "store:winner:1", { checkLayers: true });
      assert.ok(
        images.some(({ document }) => document.descriptor.digest === top.digest),
        to,
      );
      assert.ok(
        images.some(({ config }) => config.digest === copied[0]?.imageId),
        to,
      );
      const { descriptor } = await storedDocument(shop.store, "docker.io/library/winner:1");
      await validateImage(descriptor, shop.store, { layers: "deep", signal: never });
    }
    // Of a folder only what its image needs is left.
    const { layers } = JSON.parse(readFileSync(shop.path("dir/manifest.json"), "utf8"));
    const blobs = new Set(layers.map(({ digest }: { digest: string }) => digest)).size + 1;
    assert.equal(readdirSync(shop.path("dir")).length, blobs + "manifest.json version".split(" ").length);
    assert.deepEqual(
      readdirSync(shop.folder).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });
});

suite("a copy that is killed", () => {
  let shop: Workshop;
  let registry: MemoryRegistry;
  before(async () => {
    shop = await openWorkshop();
    registry = await startMemoryRegistry();
    await putLargeImage();
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await shop[Symbol.asyncDispose]();
  });

  /** Layers that take a moment each. */
  async function putLargeImage(): Promise<void> {
    const { store } = shop;
    const tars = [8, 8, 8].map((size) => randomBytes(size << 20));
    const layers = [];
    for (const tar of tars)
      layers.push({ mediaType: MEDIA.ociLayerGzip, ...(await store.put(gzipSync(tar, { level: 0 }))) });
    const rootfs = { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) };
    const config = await store.put(Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs })));
    const { bytes, descriptor } = assembleManifest({ mediaType: MEDIA.ociConfig, ...config }, layers, "oci");
    await store.put(bytes);
    await store.names.tag("docker.io/library/large:1", descriptor);
    await shop.copy("store:large:1", `docker://${registry.host}/large:1`);
  }

  const start = (to: string): ReturnType<typeof spawn> => {
    const words = ["--root", shop.path("other-store"), "copy", "-q", `docker://${registry.host}/large:1`, to];
    return spawn(process.execPath, [TSBUILD, ...words], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, TMPDIR: shop.folder },
    });
  };

  const isVisible: Readonly<Record<string, (to: string) => boolean>> = {
    oci: (to) => existsSync(join(to, "index.json")) && readFileSync(join(to, "index.json"), "utf8").includes("sha256:"),
    dir: (to) => existsSync(join(to, "manifest.json")),
    "oci-archive": (to) => existsSync(to),
    "docker-archive": (to) => existsSync(to),
    store: (to) => readFileSync(join(to, "index.json"), "utf8").includes("sha256:"),
  };
  for (const [transport, visible] of Object.entries(isVisible)) {
    test(`shows nothing, and the next one completes: ${transport}`, async () => {
      const path = transport === "store" ? shop.path("other-store") : shop.path(`killed-${transport}`);
      const to = transport === "store" ? "store:large:1" : `${transport}:${path}`;
      for (const blobs of [1, 3]) {
        const begin = registry.seen.length;
        const child = start(to);
        const ended = once(child, "exit");
        const asked = (): number =>
          registry.seen.slice(begin).filter(({ method, url }) => method === "GET" && url.includes("/blobs/")).length;
        while (asked() <= blobs && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
        const wasRunning = child.exitCode === null;
        child.kill("SIGKILL");
        const [code] = (await ended) as [number | null];
        // On a fast machine it may have been done by then.
        if (wasRunning && code !== 0)
          assert.ok(!visible(path) || transport === "store", `${transport} after ${blobs} blobs`);
      }
      const child = start(to);
      const [code] = (await once(child, "exit")) as [number | null];
      assert.equal(code, 0);
      assert.ok(visible(path));
      const source = transport === "store" ? undefined : to;
      if (source !== undefined) {
        const { images } = await shop.copy(source, `store:again:${transport}`);
        assert.equal(images.length, 1);
      }
      // What the killed ones left is gone.
      const left = readdirSync(shop.folder).filter((name) => name.endsWith(".tmp"));
      assert.deepEqual(left, []);
      if (transport === "oci" || transport === "dir")
        assert.ok(!readdirSync(path).some((name) => name.startsWith(".")));
    });
  }
});
