// Caches that travel between stores: nothing runs twice, the image is the same to the bit, and a cache that lies costs no
// more than the steps it would have spared.

import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import type { Ended } from "../robustness/workshop.ts";
import type { Room } from "../robustness/workshop.ts";
import { Running, Workshop } from "../robustness/workshop.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import { stepsOf } from "../support/step-ends.ts";
import { noRegistry, startRegistry } from "../transport/registry-server.ts";

const FILES = {
  Dockerfile: [
    "FROM fixture:busybox AS tools",
    "RUN echo tool $(cat /proc/sys/kernel/random/uuid) > /tool",
    "FROM fixture:busybox",
    "RUN cat /proc/sys/kernel/random/uuid > /once",
    "COPY a.txt /in/",
    "COPY --from=tools /tool /tool",
    "RUN --mount=from=tools,target=/t cat /t/tool /once > /both",
    "LABEL a=b",
  ].join("\n"),
  "a.txt": "a\n",
};

suite("caches that travel", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => {
    workshop = await Workshop.open();
    maker = room();
    for (const mode of ["min", "max"] as const) made[mode] = join(maker.home, mode);
    const to = Object.entries(made).map(([mode, folder]) => `--cache-to=type=local,dest=${folder},mode=${mode}`);
    id = idOf(await maker.succeed([...to, "-o", "type=image"]));
  });
  after(() => workshop.close());

  const room = (): Room => workshop.room(FILES);
  const idOf = ({ stdout, stderr }: Ended): string | undefined =>
    /image id (sha256:\w+)/.exec(`${stdout}${stderr}`)?.[1];
  const ran = ({ stderr }: Ended): string[] =>
    [...stepsOf(stderr)].filter(([name, end]) => name.includes("RUN ") && end !== "CACHED").map(([name]) => name);

  const made: Record<"min" | "max", string> = { min: "", max: "" };
  let id: string | undefined;
  let maker: Room;
  let copies = 0;

  /** A copy of the cache of one build in a folder of its own. */
  function exported(mode: "min" | "max"): string {
    const folder = join(maker.home, `copy-${copies++}`);
    cpSync(made[mode], folder, { recursive: true });
    return folder;
  }

  test("mode=max gives another store every step; the image is the same to the bit", async () => {
    const folder = exported("max");
    const ended = await room().succeed([`--cache-from=type=local,src=${folder}`, "-o", "type=image"]);
    assert.deepEqual(ran(ended), []);
    assert.equal(idOf(ended), id);
  });

  test("a step says which cache it came from: in the log, with --explain, in the report and afterwards", async () => {
    const folder = exported("max");
    const one = room();
    const report = join(one.home, "report.html");
    const words = [`--cache-from=type=local,src=${folder}`, "--explain", `--report=${report}`, "-o", "type=cacheonly"];
    const { stdout, stderr } = await one.succeed(words);
    const from = `the cache "${folder}"`;
    assert.ok(new RegExp(`^(#\\d+) from ${from}\n\\1 CACHED$`, "m").test(stderr), stderr);
    assert.ok(
      `${stdout}${stderr}`.includes(`cat /t/tool /once > /both (Dockerfile:7) came from ${from}`),
      `${stdout}${stderr}`,
    );
    assert.ok(readFileSync(report, "utf8").includes(`from the cache &quot;${folder}&quot;`));
    for (const words of [["why"], ["why", "--json"], ["builds", "show"]])
      assert.match((await new Running(["--root", one.root, ...words], one.home).ended).stdout, /copy-\d/);
  });

  test("mode=min has the layers of the image only, and is enough for the same image", async () => {
    const folder = exported("min");
    const { layers } = manifestOf(folder);
    assert.equal(new Set(layers.map(({ digest }) => digest)).size, 5);
    const ended = await room().succeed([`--cache-from=type=local,src=${folder}`, "-o", "type=image"]);
    assert.deepEqual(ran(ended), []);
    assert.equal(idOf(ended), id);
  });

  test("what is not wanted is not fetched: a build that keeps nothing reads no layer", async () => {
    const folder = exported("max");
    for (const { digest } of manifestOf(folder).layers) rmSync(blobOf(folder, digest), { force: true });
    const one = room();
    const ended = await one.succeed([`--cache-from=type=local,src=${folder}`, "-o", "type=cacheonly"]);
    assert.deepEqual(ran(ended), []);
    const { code, stdout } = await new Running(["--root", one.root, "fsck"], one.home).ended;
    assert.equal(code, 0, stdout);
  });

  test("with SOURCE_DATE_EPOCH the image is that of a build without a cache, whenever the cache was made", async () => {
    const files = { ...FILES, Dockerfile: FILES.Dockerfile.replaceAll("$(cat /proc/sys/kernel/random/uuid)", "x").replace("cat /proc/sys/kernel/random/uuid", "echo y") }; // prettier-ignore
    const cache = join(workshop.folder, "epoch-cache");
    await workshop.room(files).succeed([`--cache-to=type=local,dest=${cache},mode=max`, "-o", "type=cacheonly"]);
    const env = { SOURCE_DATE_EPOCH: "1000" };
    const without = await workshop.room(files).succeed(["-o", "type=image"], { env });
    const ended = await workshop.room(files).succeed([`--cache-from=type=local,src=${cache}`, "-o", "type=image"], { env }); // prettier-ignore
    assert.deepEqual(ran(ended), []);
    assert.equal(idOf(ended), idOf(without));
  });

  test("caches that cannot be read are misses with a warning each", async () => {
    const lies: readonly ((folder: string) => void)[] = [
      (folder) => writeFileSync(join(folder, "index.json"), "<html>no</html>"),
      (folder) => truncateSync(blobOf(folder, configDigest(folder)), 100),
      (folder) => rewrite(folder, (text) => text.replaceAll(/"link":\d+/g, '"link":999')),
      (folder) => rmSync(folder, { recursive: true }),
    ];
    const folders = lies.map((spoil) => {
      const folder = exported("max");
      spoil(folder);
      return folder;
    });
    const words = folders.map((folder) => `--cache-from=type=local,src=${folder}`);
    const ended = await room().succeed([...words, "-o", "type=image"]);
    assert.equal(ended.stderr.match(/^ - the cache .* is not used: /gm)?.length, lies.length);
    assert.equal(ran(ended).length, 3);
  });

  for (const [what, spoil] of [
    ["gone", (file: string) => rmSync(file)],
    ["of other bytes", (file: string) => writeFileSync(file, "other")],
  ] as const) {
    test(`where a promised layer is ${what} its steps run again`, async () => {
      const folder = exported("max");
      spoil(blobOf(folder, ownLayer(folder)));
      const ended = await room().succeed([`--cache-from=type=local,src=${folder}`, "-o", "type=image"]);
      assert.match(ended.stderr, /^ - the cache .* does not have what it promises: /m);
      assert.notDeepEqual(ran(ended), []);
    });
  }

  test("a cache that cannot be written is a warning, and an error where that was asked for", async () => {
    const one = room();
    const file = join(one.home, "file");
    writeFileSync(file, "");
    const ended = await one.succeed([`--cache-to=type=local,dest=${file}`, "-o", "type=cacheonly"]);
    assert.match(ended.stderr, /the cache was not written to ".*file"/);
    const strict = await one.build([`--cache-to=type=local,dest=${file},ignore-error=false`, "-o", "type=cacheonly"]);
    assert.notEqual(strict.code, 0);
  });

  test("a layer that holds a secret goes into no cache", async () => {
    const leaking = workshop.room({
      Dockerfile: [
        "FROM fixture:busybox AS tools",
        "RUN --mount=type=secret,id=s cp /run/secrets/s /kept",
        "FROM fixture:busybox",
        "RUN --mount=from=tools,target=/t true",
      ].join("\n"),
    });
    const secret = join(leaking.home, "secret");
    writeFileSync(secret, "very-secret-value-of-a-test");
    const folder = join(leaking.home, "leaked");
    const words = [
      `--cache-to=type=local,dest=${folder},mode=max`,
      `--secret=id=s,src=${secret}`,
      "-o",
      "type=cacheonly",
    ];
    const { code, stderr } = await leaking.build(words);
    assert.notEqual(code, 0);
    assert.match(stderr, /kept/);
    assert.equal(existsSync(join(folder, "index.json")), false);
  });

  test("--no-cache-filter runs a stage again whatever the cache has", async () => {
    const folder = exported("max");
    const from = `--cache-from=type=local,src=${folder}`;
    const ended = await room().succeed([from, "--no-cache-filter=tools", "-o", "type=cacheonly"]);
    assert.deepEqual(ran(ended).length, 2);
  });

  test(
    "a registry keeps it as a manifest, an index, with Docker's types, or inside the image",
    { skip: noRegistry },
    async () => {
      await using registry = await startRegistry();
      const name = (tag: string): string => `${registry.host}/app:${tag}`;
      const forms = [
        "image-manifest=true",
        "image-manifest=false",
        "oci-mediatypes=false",
        "compression=zstd,force-compression=true",
      ];
      const ended = await maker.succeed([
        ...forms.map((form, at) => `--cache-to=type=registry,ref=${name(`c${at}`)},mode=max,${form}`),
        ...["--cache-to=type=inline", "-t", name("image"), "--push", "--insecure-registry", registry.host],
      ]);
      for (const tag of [...forms.map((_, at) => `c${at}`), "image"]) {
        const words = [`--cache-from=${name(tag)}`, "--insecure-registry", registry.host, "-o", "type=cacheonly"];
        assert.deepEqual(ran(await room().succeed(words)), [], tag);
      }
      assert.match(ended.stderr, /exporting cache to registry/);
    },
  );

  interface Manifest {
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string; readonly annotations: Readonly<Record<string, string>> }[];
  }

  function manifestOf(folder: string): Manifest {
    const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { manifests: { digest: string }[] };
    return JSON.parse(readFileSync(blobOf(folder, index.manifests[0]?.digest ?? ""), "utf8")) as Manifest;
  }

  function configDigest(folder: string): string {
    return manifestOf(folder).config.digest;
  }

  /** The layer of a step: one that says when it was made. */
  function ownLayer(folder: string): string {
    return manifestOf(folder).layers.find(({ annotations }) => "buildkit/createdat" in annotations)?.digest ?? "";
  }

  /** The document with other records, under its right digest. */
  function rewrite(folder: string, change: (text: string) => string): void {
    const config = configDigest(folder);
    const bytes = Buffer.from(change(readFileSync(blobOf(folder, config), "utf8")));
    writeFileSync(blobOf(folder, digestOf(bytes)), bytes);
    const manifest = JSON.parse(JSON.stringify(manifestOf(folder)).replaceAll(config, digestOf(bytes))) as Manifest & { config: { size: number } }; // prettier-ignore
    manifest.config.size = bytes.length;
    const text = JSON.stringify(manifest);
    writeFileSync(blobOf(folder, digestOf(text)), text);
    const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { manifests: { digest: string; size: number }[] }; // prettier-ignore
    for (const entry of index.manifests) Object.assign(entry, { digest: digestOf(text), size: text.length });
    writeFileSync(join(folder, "index.json"), JSON.stringify(index));
  }

  function blobOf(folder: string, digest: string): string {
    return join(folder, "blobs/sha256", digest.slice("sha256:".length));
  }
});
