// Archives, layouts and folders that lie: each ends in an error that names what is wrong, and nothing of them can be seen.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf, hexOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { load } from "../../builder/load.ts";
import { DEFAULT_LIMITS, type UnpackLimits } from "../../builder/layer/unpack-limits.ts";
import { tarOf } from "../exporter/sample.ts";
import type { MadeImage, Member, Workshop } from "./copy-workshop.ts";
import { archiveOf, makeImage, openWorkshop } from "./copy-workshop.ts";

const blob = (content: Uint8Array | string): Member => ({
  name: `blobs/sha256/${hexOf(digestOf(Buffer.from(content)))}`,
  content,
});
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

let serial = 0;

/** A tar that no other test has: what the store has already is not asked for. */
function freshTar(): Buffer {
  return tarOf({ f: `file ${serial++}` });
}

/** The members of an OCI archive with one layer; parts of it can be something else. */
function ociMembers(parts: {
  readonly layer?: Uint8Array;
  readonly layerType?: string;
  readonly diffIds?: readonly string[];
  readonly size?: number;
  readonly config?: object;
  readonly history?: readonly object[];
}): Member[] {
  const tar = freshTar();
  const { layer = gzipSync(tar), layerType = "application/vnd.oci.image.layer.v1.tar+gzip" } = parts;
  const diffIds = parts.diffIds ?? [digestOf(tar)];
  const history = parts.history === undefined ? {} : { history: parts.history };
  const config = json(
    parts.config ?? { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: diffIds }, ...history },
  );
  const manifest = json({
    schemaVersion: 2,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(config), size: config.length },
    layers: [{ mediaType: layerType, digest: digestOf(layer), size: parts.size ?? layer.length }],
  });
  const entry = {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: digestOf(manifest),
    size: manifest.length,
  };
  return [
    { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: "index.json", content: json({ schemaVersion: 2, manifests: [entry] }) },
    blob(manifest),
    blob(config),
    blob(layer),
  ];
}

suite("an archive", () => {
  let shop: Workshop;
  let number = 0;
  before(async () => {
    shop = await openWorkshop();
  });
  after(() => shop[Symbol.asyncDispose]());

  /** Loads an archive and copies it; both must fail alike and leave nothing. */
  async function refuses(
    bytes: Buffer,
    code: string | undefined,
    message: RegExp,
    limits: UnpackLimits = DEFAULT_LIMITS,
  ): Promise<void> {
    const path = shop.path(`hostile-${number++}.tar`);
    writeFileSync(path, bytes);
    const isIt = (error: unknown): boolean => {
      assert(error instanceof BuildError, String(error));
      assert.match(error.message, message);
      assert.match(
        error.code,
        code === undefined ? /^(DIGEST|ARCHIVE)_INVALID$/ : new RegExp(`^${code}$`),
        error.message,
      );
      return true;
    };
    const before = JSON.parse(readFileSync(join(shop.store.layoutPath, "index.json"), "utf8"));
    const request = {
      root: shop.store.layoutPath,
      input: { kind: "path", path },
      names: ["loaded"],
      platform: undefined,
      limits,
      checkLayers: undefined,
      retries: 0,
      events: () => undefined,
      now: () => 0,
      environment: new Map([["TMPDIR", shop.folder]]),
    } as const;
    await assert.rejects(load(request, new AbortController().signal), isIt);
    assert.deepEqual(JSON.parse(readFileSync(join(shop.store.layoutPath, "index.json"), "utf8")), before);
    const to = shop.path(`hostile-${number}`);
    // One kind of destination after the other.
    const targets = [`oci:${to}.oci:1`, `oci-archive:${to}.out`, `dir:${to}.dir`, `docker-archive:${to}.docker`];
    const target = targets[number % targets.length] ?? "";
    const source = bytes.includes("manifest.json") && !bytes.includes("oci-layout") ? "docker-archive" : "oci-archive";
    await assert.rejects(shop.copy(`${source}:${path}`, target, { limits }), isIt, target);
    const left = readdirSync(shop.folder).filter((name) => name.startsWith(`hostile-${number}`));
    for (const name of left) {
      // Complete blobs may stay in a folder for the next attempt; nothing that names an image.
      const files = readdirSync(shop.path(name));
      assert.ok(!files.includes("manifest.json") && !files.includes("index.json"), `${name}: ${files.join()}`);
    }
    // Nothing of an unpacking stays either.
    const own = join(shop.folder, `tsbuild-${process.getuid?.()}`);
    assert.deepEqual(readdirSync(own), []);
  }

  test("that is well is loaded", async () => {
    const path = shop.path("good.tar");
    writeFileSync(path, archiveOf(ociMembers({})));
    const { images } = await shop.copy(`oci-archive:${path}`, "store:good:1");
    assert.equal(images.length, 1);
  });

  test("with a blob missing names it", async () => {
    for (const at of [2, 3, 4]) {
      const members = ociMembers({});
      const { name = "" } = members[at] ?? {};
      await refuses(
        archiveOf(members.toSpliced(at, 1)),
        "ARCHIVE_INVALID",
        new RegExp(`${name.slice(-64)} is not in the archive`),
      );
    }
  });

  test("with a blob twice, or index.json twice, is refused", async () => {
    const members = ociMembers({});
    for (const at of [1, 4]) {
      const again = { ...(members[at] as Member), content: "{}" };
      await refuses(archiveOf([...members, again]), "ARCHIVE_INVALID", /it holds ".*" twice/);
    }
    // Also under another spelling, and as a link.
    await refuses(
      archiveOf([...members, { name: "./index.json", content: "{}" }]),
      "ARCHIVE_INVALID",
      /"index.json" twice/,
    );
    await refuses(
      archiveOf([...members, { name: "x/../index.json", link: "x" }]),
      "ARCHIVE_INVALID",
      /"index.json" twice/,
    );
  });

  test("of which a blob is not what it is called is refused", async () => {
    for (const at of [2, 3, 4]) {
      const members = ociMembers({});
      const { name, content = "" } = members[at] as Member;
      const spoiled = Buffer.from(content);
      spoiled[spoiled.length - 2] = (spoiled[spoiled.length - 2] ?? 0) ^ 1;
      const bytes = archiveOf(members.with(at, { name, content: spoiled }));
      await refuses(bytes, undefined, new RegExp(`${name.slice(-64)}`));
    }
    await refuses(archiveOf(ociMembers({ size: 5 })), "DIGEST_INVALID", /has \d+ bytes, the manifest says 5/);
  });

  test("whose layer is cut, spoiled, or another tar is refused, though its digest is right", async () => {
    const layer = gzipSync(tarOf({ f: "x".repeat(5000) }));
    const diffIds = [digestOf(tarOf({ f: "x".repeat(5000) }))];
    const cut = layer.subarray(0, layer.length - 20);
    await refuses(archiveOf(ociMembers({ layer: cut, diffIds })), "ARCHIVE_INVALID", /layer sha256:.*gzip data is cut/);
    const spoiled = Buffer.from(layer);
    spoiled[spoiled.length - 5] = (spoiled[spoiled.length - 5] ?? 0) ^ 0xff; // the checksum
    await refuses(archiveOf(ociMembers({ layer: spoiled, diffIds })), "ARCHIVE_INVALID", /layer sha256:.*damaged/);
    const other = gzipSync(tarOf({ g: "y" }));
    await refuses(
      archiveOf(ociMembers({ layer: other })),
      "ARCHIVE_INVALID",
      /(unpacks to|not what its image says:) sha256:/,
    );
    const zstd = zstdCompressSync(tarOf({ f: "x" })).subarray(0, 12);
    const layerType = "application/vnd.oci.image.layer.v1.tar+zstd";
    await refuses(archiveOf(ociMembers({ layer: zstd, layerType })), "ARCHIVE_INVALID", /layer sha256:/);
  });

  test("that does not hold together is refused before any layer is looked at", async () => {
    const diffIds = [digestOf("a"), digestOf("b")];
    await refuses(archiveOf(ociMembers({ diffIds })), "ARCHIVE_INVALID", /1 layers, the config 2 diff_ids/);
    const history = [{ created_by: "a" }, { created_by: "b" }];
    await refuses(archiveOf(ociMembers({ history })), "ARCHIVE_INVALID", /history tells of 2 layers/);
    await refuses(archiveOf(ociMembers({ config: { os: "linux" } })), "ARCHIVE_INVALID", /is not valid/);
  });

  test("with names and links that lead out of it is refused", async () => {
    const members = ociMembers({});
    const tricks: readonly Member[] = [
      { name: "../../etc/passwd", content: "x" },
      { name: "blobs/../../x", content: "x" },
      { name: "link", link: "../outside" },
      { name: "a/b/link", link: "../../../outside" },
      { name: "hard", link: "../outside", type: "hardlink" },
    ];
    for (const trick of tricks)
      await refuses(archiveOf([trick, ...members]), "ARCHIVE_INVALID", /leads out of the archive/);
  });

  test("with links in a circle, to nothing, or to a device, has no such member", async () => {
    const members = ociMembers({});
    const { name = "" } = members[4] ?? {};
    const without = members.toSpliced(4, 1);
    const circle = [
      { name, link: "../../a" },
      { name: "a", link: "b" },
      { name: "b", link: "a" },
    ];
    for (const more of [
      circle,
      [{ name, link: "nowhere" }],
      [{ name, type: "char" as const }],
      [{ name, type: "fifo" as const }],
    ])
      await refuses(archiveOf([...without, ...more]), "ARCHIVE_INVALID", /is not in the archive/);
  });

  test("is read through links that stay inside", async () => {
    const members = ociMembers({});
    const { name, content = "" } = members[4] as Member;
    const path = shop.path("links.tar");
    writeFileSync(
      path,
      archiveOf([...members.toSpliced(4, 1), { name: "real", content }, { name, link: "../../real" }]),
    );
    assert.equal((await shop.copy(`oci-archive:${path}`, "store:links:1")).images.length, 1);
  });

  test("that unpacks to more than is allowed is a bomb: as a whole, and in a layer", async () => {
    const limits = { maxBytes: 4 << 20, maxRatio: 5000 };
    const zeros = tarOf({ f: "\0".repeat(8 << 20) });
    const bomb = ociMembers({ layer: gzipSync(zeros), diffIds: [digestOf(zeros)] });
    await refuses(archiveOf(bomb), "ARCHIVE_INVALID", /layer sha256:.*unpacks to more than 4194304 bytes/, limits);
    await refuses(
      gzipSync(archiveOf(ociMembers({ layer: Buffer.alloc(8 << 20, freshTar()) }))),
      "ARCHIVE_INVALID",
      /more than 4194304 bytes/,
      limits,
    );
    const ratio = { maxBytes: 64 << 20, maxRatio: 100 };
    const large = tarOf({ f: "\0".repeat(20 << 20) });
    const layerType = "application/vnd.oci.image.layer.v1.tar+zstd";
    const flat = ociMembers({ layer: zstdCompressSync(large), layerType, diffIds: [digestOf(large)] });
    await refuses(archiveOf(flat), "ARCHIVE_INVALID", /more than 100 times its size/, ratio);
    // A raised limit lets it through.
    const path = shop.path("raised.tar");
    writeFileSync(path, archiveOf(bomb));
    assert.equal((await shop.copy(`oci-archive:${path}`, "store:raised:1")).images.length, 1);
  });

  test("that is cut anywhere is refused", async () => {
    const whole = archiveOf(ociMembers({}));
    for (const length of [100, 700, 1500, whole.length - 1600])
      await refuses(whole.subarray(0, length), "ARCHIVE_INVALID", /./);
    await refuses(gzipSync(whole).subarray(0, 300), "ARCHIVE_INVALID", /gzip data is cut/);
  });

  test("with a manifest.json that lies is refused", async () => {
    const layer = freshTar();
    const config = json({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    });
    const of = (entry: object, more: readonly Member[] = []): Buffer =>
      archiveOf([
        {
          name: "manifest.json",
          content: json([{ Config: "c.json", RepoTags: ["app:1"], Layers: ["l.tar"], ...entry }]),
        },
        { name: "c.json", content: config },
        { name: "l.tar", content: layer },
        ...more,
      ]);
    await refuses(
      of({ Config: "../../c.json" }),
      "ARCHIVE_INVALID",
      /names "..\/..\/c.json", which is not in the archive/,
    );
    await refuses(of({ Layers: ["other.tar"] }), "ARCHIVE_INVALID", /"other.tar", which is not in the archive/);
    await refuses(of({ Layers: [] }), "ARCHIVE_INVALID", /0 layers, the config 1 diff_ids/);
    await refuses(of({ Layers: ["l.tar", "l.tar"] }), "ARCHIVE_INVALID", /2 layers, the config 1 diff_ids/);
    await refuses(of({ Config: "l.tar" }), "ARCHIVE_INVALID", /is not JSON/);
    // The layer's bytes are held against the config's diff_id.
    await refuses(
      of({ Layers: ["m.tar"] }, [{ name: "m.tar", content: tarOf({ g: "y" }) }]),
      undefined,
      /the bytes of sha256|has \d+ bytes|unpacks to sha256/,
    );
    await refuses(
      archiveOf([{ name: "manifest.json", content: "{}" }]),
      "ARCHIVE_INVALID",
      /manifest.json of .* is not valid/,
    );
  });
});

suite("a layout and a folder", () => {
  let shop: Workshop;
  let image: MadeImage;
  before(async () => {
    shop = await openWorkshop();
    image = await makeImage(shop.store);
    await shop.store.names.tag("docker.io/library/app:1", image.document.descriptor);
  });
  after(() => shop[Symbol.asyncDispose]());
  const layer = (): Digest => image.layers[1]?.digest as Digest;

  const spoil: Readonly<Record<string, (path: string) => void>> = {
    missing: (path) => rmSync(path),
    "a fifo": (path) => {
      rmSync(path);
      execFileSync("mkfifo", [path]);
    },
    "a folder": (path) => {
      rmSync(path);
      mkdirSync(path);
    },
    cut: (path) => writeFileSync(path, readFileSync(path).subarray(0, 50)),
    changed: (path) => writeFileSync(path, readFileSync(path).fill(7, 20, 30)),
  };
  for (const [what, change] of Object.entries(spoil)) {
    test(`of which a blob is ${what} are refused`, async () => {
      const name = what.replace(" ", "-");
      const cases = [
        { to: `oci:${shop.path(`${name}.oci`)}`, file: shop.path(`${name}.oci/blobs/sha256/${hexOf(layer())}`) },
        { to: `dir:${shop.path(`${name}.dir`)}`, file: shop.path(`${name}.dir/${hexOf(layer())}`) },
      ];
      for (const { to, file } of cases) {
        await shop.copy("store:app:1", to);
        change(file);
        await using other = await openWorkshop();
        await assert.rejects(other.copy(to, "store:out:1"), (error) => {
          assert(error instanceof BuildError, String(error));
          assert.match(error.message, new RegExp(hexOf(layer())));
          return true;
        });
        assert.equal(await other.store.names.resolve("docker.io/library/out:1"), undefined);
        assert.equal(await other.store.has(layer()), false);
        // Copied there again, it is whole again: what lies there is not believed.
        if (to.startsWith("dir:") && what !== "a folder") {
          await shop.copy("store:app:1", to);
          await other.copy(to, "store:out:1");
        }
      }
    });
  }

  test("that hold something else are left alone", async () => {
    for (const transport of ["oci", "dir"]) {
      const path = shop.path(`letters-${transport}`);
      mkdirSync(path);
      writeFileSync(join(path, "letter.txt"), "dear");
      await assert.rejects(shop.copy("store:app:1", `${transport}:${path}`), /letter.txt/);
      assert.deepEqual(readdirSync(path), ["letter.txt"]);
    }
  });
});
