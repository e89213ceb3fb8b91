// The image outputs, read by the tools that people use.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "../../builder/core/errors.ts";
import type { ExportContext, ImageExport } from "../../builder/exporter/image.ts";
import { exportImage } from "../../builder/exporter/image.ts";
import { openStore } from "../../builder/store/open.ts";
import { sampleResult } from "./sample.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-export-"));
after(() => {
  // umoci and podman leave an ordinary user files of his subordinate ids.
  if (process.getuid?.() !== 0) spawnSync("unshare", ["--map-auto", "--map-root-user", "rm", "-rf", temp]);
  rmSync(temp, { recursive: true, force: true });
});

const store = await openStore(join(temp, "store"));
const context: ExportContext = {
  store,
  createdMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  openSink: async () => {
    throw new Error("no push here");
  },
  workDirectory: temp,
  signal: new AbortController().signal,
};
const look = { mediaTypes: "oci", compression: "gzip", forceCompression: false, annotations: [] } as const;

const has = (tool: string): boolean => spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0;
const needs = (tool: string): { skip: string | false } => ({ skip: has(tool) ? false : `${tool} is not installed` });
const run = (tool: string, ...args: string[]): string =>
  execFileSync(tool, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

async function toArchive(
  path: string,
  names: readonly string[],
  type: "oci" | "docker" = "docker",
): Promise<Awaited<ReturnType<typeof exportImage>>> {
  const spec: ImageExport = { type, image: { ...look, names }, destination: { kind: "file", path } };
  return await exportImage(spec, [await sampleResult(store)], context);
}

suite("an archive", () => {
  test("is the same file for docker and oci, twice the same bytes, and nothing else is left beside it", async () => {
    const folder = mkdtempSync(join(temp, "twice-"));
    await toArchive(join(folder, "a.tar"), ["app:1"], "oci");
    await toArchive(join(folder, "b.tar"), ["app:1"], "docker");
    assert.deepEqual(readFileSync(join(folder, "a.tar")), readFileSync(join(folder, "b.tar")));
    assert.deepEqual(readdirSync(folder), ["a.tar", "b.tar"]);
  });

  test("is read by skopeo as oci-archive and docker-archive", needs("skopeo"), async () => {
    const path = join(temp, "skopeo.tar");
    const made = await toArchive(path, ["app:1"]);
    const raw = run("skopeo", "inspect", "--raw", `oci-archive:${path}`);
    assert.equal(raw, Buffer.from(await store.read(made.descriptor.digest)).toString());
    const config = run("skopeo", "inspect", "--config", "--raw", `docker-archive:${path}:docker.io/library/app:1`);
    assert.equal(JSON.parse(config).history.length, 3);
    run("skopeo", "copy", `docker-archive:${path}`, `oci:${join(temp, "skopeo-out")}:x`);
  });

  test("is loaded by podman under its names", needs("podman"), async (t) => {
    const path = join(temp, "podman.tar");
    const made = await toArchive(path, ["app:1", "registry.example/team/app:2"]);
    const roots = ["--root", join(temp, "podman"), "--runroot", join(temp, "podman-run"), "--storage-driver", "vfs"];
    const probe = spawnSync("podman", [...roots, "info"], { encoding: "utf8" });
    if (probe.status !== 0) return t.skip(`podman does not run here: ${probe.stderr.split("\n")[0]}`);
    run("podman", ...roots, "load", "-i", path);
    const ids = ["docker.io/library/app:1", "registry.example/team/app:2"].map((name) =>
      run("podman", ...roots, "image", "inspect", "-f", "{{.Id}}", name).trim(),
    );
    const imageId = made.images[0]?.imageId.slice("sha256:".length);
    assert.deepEqual(ids, [imageId, imageId]);
  });

  test("is imported by containerd under its names", needs("containerd"), async (t) => {
    if (process.getuid?.() !== 0) return t.skip("containerd needs root");
    const path = join(temp, "ctr.tar");
    const made = await toArchive(path, ["app:1", "registry.example/team/app:2"]);
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-ctr-")); // a socket's path must be short
    const address = join(folder, "c.sock");
    writeFileSync(join(folder, "c.toml"), 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    const daemon = spawn(
      "containerd",
      [
        "-c",
        join(folder, "c.toml"),
        "--root",
        join(folder, "root"),
        "--state",
        join(folder, "state"),
        "-a",
        address,
        "-l",
        "error",
      ],
      { stdio: "ignore" },
    );
    try {
      for (let i = 0; i < 100 && spawnSync("ctr", ["-a", address, "version"]).status !== 0; i++) await sleep(100);
      run("ctr", "-a", address, "images", "import", "--no-unpack", "--snapshotter", "native", path);
      const list = run("ctr", "-a", address, "images", "ls");
      for (const name of made.names)
        assert.match(list, new RegExp(`^${name}\\s+\\S+\\s+${made.descriptor.digest}`, "m"));
    } finally {
      daemon.kill();
      await once(daemon, "exit");
      rmSync(folder, { recursive: true, force: true });
    }
    return undefined;
  });

  test("that cannot be written says why and leaves nothing", async () => {
    await assert.rejects(toArchive(join(temp, "no/such/x.tar"), []), (error) => {
      assert(error instanceof BuildError);
      assert.equal(error.code, "OUTPUT");
      assert.match(error.message, /cannot write ".*x.tar": the folder ".*" does not exist/);
      return true;
    });
  });

  test("on a stream waits for the reader", async () => {
    let waiting = 0;
    let bytes = 0;
    const write = async (chunk: Uint8Array): Promise<void> => {
      assert.equal(++waiting, 1, "a second write came before the first was taken");
      bytes += chunk.length;
      await new Promise((resolve) => setTimeout(resolve, 1));
      waiting--;
    };
    const spec: ImageExport = { type: "oci", image: { ...look, names: [] }, destination: { kind: "stream", write } };
    await exportImage(spec, [await sampleResult(store)], context);
    assert(bytes > 2048 && bytes % 512 === 0);
  });
});

suite("a layout folder", () => {
  test("keeps what other tools put there, and is unpacked by umoci", needs("umoci"), async () => {
    const path = join(temp, "layout");
    await toArchive(join(temp, "seed.tar"), ["seed:0"]);
    run("skopeo", "copy", `oci-archive:${join(temp, "seed.tar")}`, `oci:${path}:other`);
    const spec: ImageExport = {
      type: "oci",
      image: { ...look, names: ["app:1", "app:2"] },
      destination: { kind: "directory", path },
    };
    await exportImage(spec, [await sampleResult(store, "one")], context);
    await exportImage(spec, [await sampleResult(store, "two")], context);
    const index = JSON.parse(readFileSync(join(path, "index.json"), "utf8"));
    assert.deepEqual(
      index.manifests.map(
        (entry: { annotations: Record<string, string> }) => entry.annotations["org.opencontainers.image.ref.name"],
      ),
      ["other", "1", "2"],
    );
    run("umoci", "unpack", "--rootless", "--image", `${path}:2`, join(temp, "bundle"));
    assert.equal(readFileSync(join(temp, "bundle/rootfs/app.txt"), "utf8"), "two\n");
    assert.deepEqual(readdirSync(path).sort(), ["blobs", "index.json", "oci-layout"]);
  });

  test("is not strewn into a folder that holds something else", async () => {
    const path = mkdtempSync(join(temp, "full-"));
    writeFileSync(join(path, "letter.txt"), "dear");
    const spec: ImageExport = { type: "oci", image: { ...look, names: [] }, destination: { kind: "directory", path } };
    await assert.rejects(
      exportImage(spec, [await sampleResult(store)], context),
      /not an image layout and not empty: it holds "letter.txt"/,
    );
    assert.deepEqual(readdirSync(path), ["letter.txt"]);
  });
});

suite("the store as an output", () => {
  test("is an image layout that skopeo reads under the full name", needs("skopeo"), async () => {
    const spec: ImageExport = {
      type: "image",
      image: { ...look, names: ["app"] },
      push: false,
      pushByDigest: false,
      store: true,
    };
    const made = await exportImage(spec, [await sampleResult(store)], context);
    assert.deepEqual(made.names, ["docker.io/library/app:latest"]);
    const found = run("skopeo", "inspect", "--raw", `oci:${store.layoutPath}:docker.io/library/app:latest`);
    assert.equal(found, Buffer.from(await store.read(made.descriptor.digest)).toString());
  });

  test("has no index to annotate for one platform", async () => {
    const spec: ImageExport = {
      type: "image",
      image: { ...look, annotations: [{ place: "index", platform: "", key: "k", value: "v" }], names: [] },
      push: false,
      pushByDigest: false,
      store: true,
    };
    await assert.rejects(exportImage(spec, [await sampleResult(store)], context), /there is no index to annotate/);
  });

  test("holds an index for several platforms, annotated at all four places", async () => {
    const annotations = (["manifest", "manifest-descriptor", "index", "index-descriptor"] as const).map((place) => ({
      place,
      platform: place === "manifest" ? "linux/arm64" : "",
      key: "k",
      value: place,
    }));
    const spec: ImageExport = {
      type: "image",
      image: { ...look, mediaTypes: "docker", annotations, names: ["multi"] },
      push: false,
      pushByDigest: false,
      store: true,
    };
    const results = [
      await sampleResult(store),
      await sampleResult(store, "arm", { os: "linux", architecture: "arm64" }),
    ];
    const made = await exportImage(spec, results, context);
    const json = async (
      digest: typeof made.descriptor.digest,
    ): Promise<{ annotations?: unknown; manifests: { annotations: unknown; platform: unknown }[] }> =>
      JSON.parse(Buffer.from(await store.read(digest)).toString());
    const index = await json(made.descriptor.digest);
    assert.deepEqual(index.annotations, { k: "index" });
    assert.deepEqual(
      index.manifests.map((entry) => entry.annotations),
      [{ k: "manifest-descriptor" }, { k: "manifest-descriptor" }],
    );
    assert.deepEqual(
      index.manifests.map((entry) => entry.platform),
      [
        { architecture: "amd64", os: "linux" },
        { architecture: "arm64", os: "linux" },
      ],
    );
    assert.deepEqual(
      await Promise.all(made.images.map(async ({ descriptor }) => (await json(descriptor.digest)).annotations)),
      [undefined, { k: "manifest" }],
    );
    assert.deepEqual((await store.names.resolve("docker.io/library/multi:latest"))?.annotations, {
      k: "index-descriptor",
    });
  });
});
