// `tsbuild inspect`, `history`, `layers` on images made by hand.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openStore } from "../../builder/store/open.ts";
import { history } from "../../src/commands/images/history.ts";
import { splitImagePath } from "../../src/commands/images/image-arguments.ts";
import { partsOf } from "../../src/commands/images/image-rows.ts";
import { inspect } from "../../src/commands/images/inspect.ts";
import { layers } from "../../src/commands/images/layers.ts";
import { ls } from "../../src/commands/images/ls.ts";
import type { CraftedImage } from "../support/crafted-layout.ts";
import { CraftedLayout, digestOf } from "../support/crafted-layout.ts";
import { temp, root, lower, upper, HISTORY, RUNTIME, configured, layout, top, of, run } from "./looked-at.ts";

suite("inspect", () => {
  test("--json has docker's fields, the manifest and the layers", async () => {
    const { stdout } = await run(inspect, root, "--json", of("app"), of("base"));
    const [app, base] = JSON.parse(stdout);
    const manifest = JSON.parse(readFileSync(layout.pathOf(top.digest), "utf8"));
    assert.equal(app.Id, manifest.config.digest);
    assert.deepEqual(app.Config, RUNTIME);
    assert.deepEqual([app.Os, app.Architecture, app.Digest], ["linux", "amd64", top.digest]);
    assert.deepEqual(app.RootFS, { Type: "layers", Layers: [lower, upper].map(digestOf) });
    assert.deepEqual(app.Manifest, manifest);
    assert.deepEqual(
      app.Layers.map(({ CreatedBy }: { CreatedBy: string }) => CreatedBy),
      [HISTORY[0]?.created_by, HISTORY[2]?.created_by],
    );
    const sizes: number[] = manifest.layers.map(({ size }: { size: number }) => size);
    assert.equal(app.Size, top.size + manifest.config.size + sizes.reduce((sum, size) => sum + size));
    assert.notEqual(app.Id, base.Id);
  });

  test("for people it is printable, whatever the image says", async () => {
    const { stdout } = await run(inspect, root, of("app"));
    assert.match(stdout, /^Command +\["sh","-c","a b"\]$/m);
    assert.match(stdout, /^Environment +PATH=\/bin\n +A=1$/m);
    assert.match(stdout, /^Labels +a\.b=\\x1b\]0;title$/m);
    assert.doesNotMatch(stdout, /\x1b/);
  });

  test("--raw and --config give the bytes as they are", async () => {
    const manifest = readFileSync(layout.pathOf(top.digest));
    assert.deepEqual((await run(inspect, root, "--raw", of("app"))).bytes, manifest);
    const config = readFileSync(layout.pathOf(JSON.parse(manifest.toString()).config.digest));
    assert.deepEqual((await run(inspect, root, "--raw", "--config", of("app"))).bytes, config);
    const { stdout } = await run(inspect, root, "--config", of("app"));
    assert.deepEqual(JSON.parse(stdout), JSON.parse(config.toString()));
    assert.notEqual(stdout, config.toString());
  });

  test("--field gives one value; what excludes each other is said", async () => {
    assert.equal((await run(inspect, root, "-f", "Config.Env[1]", of("app"))).stdout, "A=1\n");
    assert.equal((await run(inspect, root, "-f", "Config.Nope", of("app"))).error?.code, "INPUT_MISSING");
    assert.equal((await run(inspect, root, "--ids", "--raw", of("app"))).error?.code, "USAGE");
    assert.equal((await run(inspect, root)).error?.code, "USAGE");
  });

  test("of an index lists what is in it, and shows the image for a platform", async () => {
    const platform = (architecture: string): CraftedImage => ({
      layers: [lower],
      config: (it) => ({ ...it, architecture }),
      descriptor: (it) => ({ ...it, platform: { os: "linux", architecture } }),
    });
    const predicate = { "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" };
    const statement: CraftedImage = {
      layers: [],
      manifest: (it) => ({
        ...it,
        layers: [{ ...layout.json({}, "application/vnd.in-toto+json"), annotations: predicate }],
      }),
      descriptor: (it) => ({
        ...it,
        platform: { os: "unknown", architecture: "unknown" },
        annotations: {
          "vnd.docker.reference.type": "attestation-manifest",
          "vnd.docker.reference.digest": digestOf(lower),
        },
      }),
    };
    layout.index("multi", [platform("s390x"), platform("riscv64"), statement]);
    const { stdout } = await run(inspect, root, of("multi"));
    assert.match(stdout, /None of these is for this machine/);
    assert.match(stdout, /linux\/s390x +sha256:\w{12} +\S+ +image$/m);
    assert.match(stdout, /attestation of sha256:\w{12}: https:\/\/slsa\.dev\/provenance\/v0\.2$/m);
    const [json] = JSON.parse((await run(inspect, root, "--json", "--platform", "linux/riscv64", of("multi"))).stdout);
    assert.deepEqual([json.Architecture, json.Manifests.length, json.Index.manifests.length], ["riscv64", 3, 3]);
    const { error } = await run(inspect, root, "--platform", "linux/mips", of("multi"));
    assert.match(
      `${error?.message} ${error?.hint}`,
      /has no image for linux\/mips it has linux\/s390x, linux\/riscv64/,
    );
    const cannotChoose = await run(ls, root, of("multi"));
    assert.match(cannotChoose.error?.hint ?? "", /--platform: linux\/s390x, linux\/riscv64/);
  });
});

suite("names of images", () => {
  test("are looked up in the store: in short, in full, by the beginning of an id or digest, also without a name", async () => {
    const store = await openStore(root);
    const image = { layers: [lower], config: configured };
    const crafted = new CraftedLayout(join(temp, "stored"));
    const descriptor = crafted.image("x", image);
    const manifest = JSON.parse(readFileSync(crafted.pathOf(descriptor.digest), "utf8"));
    for (const { digest } of [descriptor, manifest.config, ...manifest.layers])
      await store.put(readFileSync(crafted.pathOf(digest)));
    const idBy = async (text: string): Promise<string> => {
      const { stdout, error } = await run(inspect, root, "-f", "Id", text);
      return error === undefined ? stdout.trim() : error.code;
    };
    const id: string = manifest.config.digest;
    assert.equal(await idBy(id.slice(7, 19)), id, "an image that nothing names");
    await store.names.tag("docker.io/library/app:latest", descriptor);
    for (const text of [
      "app",
      "app:latest",
      "docker.io/library/app",
      id,
      id.slice(0, 15),
      descriptor.digest.slice(7, 13),
      `app@${descriptor.digest}`,
      "store:app",
    ])
      assert.equal(await idBy(text), id, text);
    for (const text of ["other", "abcdefabcdef"]) assert.equal(await idBy(text), "INPUT_MISSING", text);
    const { stdout } = await run(inspect, root, "--json", "app");
    assert.deepEqual(JSON.parse(stdout)[0].RepoTags, ["app:latest"]);
    assert.deepEqual(JSON.parse(stdout)[0].RepoDigests, [`app@${descriptor.digest}`]);
  });

  test("have a repository and a tag in lists, of which a digest leaves the first", () => {
    const digest = `sha256:${"0".repeat(64)}`;
    for (const name of [`docker.io/library/app:1@${digest}`, `docker.io/library/app@${digest}`])
      assert.deepEqual(partsOf(name), { repository: "app", tag: "<none>" });
    assert.deepEqual(partsOf("h:5000/app"), { repository: "h:5000/app", tag: "latest" });
  });

  test("that fit several are refused with what they fit", async () => {
    const ambiguous = join(temp, "ambiguous");
    const store = await openStore(ambiguous);
    // Of two thousand, some two begin with the same four digits.
    const { findStored } = await import("../../builder/engine/images/stored-images.ts");
    const seen = new Map<string, string>();
    for (let at = 0; at < 2000; at++) {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { at: `${at}` } }));
      const start = digestOf(bytes).slice(7, 11);
      const twin = seen.get(start);
      seen.set(start, bytes.toString());
      if (twin === undefined) continue;
      for (const one of [bytes, Buffer.from(twin)]) await store.put(one);
      await assert.rejects(findStored(store, start), /2 images of the store begin with/);
      return;
    }
    assert.fail("no two digests of 2000 begin alike");
  });

  test("end where the path in the image begins", () => {
    const cases: readonly [string, string, string][] = [
      ["busybox", "busybox", "/"],
      ["busybox:1:/etc/a b", "busybox:1", "/etc/a b"],
      ["docker://host:5000/x:1:/etc", "docker://host:5000/x:1", "/etc"],
      ["oci:/tmp/l:/etc", "oci:/tmp/l", "/etc"],
      ["oci:/tmp/l:name:/etc", "oci:/tmp/l:name", "/etc"],
      ["oci:/tmp/l", "oci:/tmp/l", "/"],
      ["dir:/d:/a:/b", "dir:/d", "/a:/b"],
      ["app:/a:/b", "app", "/a:/b"],
    ];
    for (const [text, image, path] of cases) assert.deepEqual(splitImagePath(text), { image, path }, text);
  });
});

suite("history", () => {
  test("has docker's columns, the newest first; empty layers are marked", async () => {
    const { stdout } = await run(history, root, of("app"));
    const [heading, ...rows] = stdout.trimEnd().split("\n");
    assert.match(heading ?? "", /^LAYER +CREATED +CREATED BY +SIZE +COMMENT$/);
    assert.match(rows[0] ?? "", /^ +2 +\d+ years ago +RUN very very .*… +\d+B$/);
    assert.match(rows[1] ?? "", /^ +- +\d+ years ago +ENV A=1 +0B$/);
    // Of the files and links, each inode once: 11 + 1000 + 11 + 300000 + 7.
    assert.match(rows[2] ?? "", /^ +1 .* ADD base\.tar \/ # buildkit +301kB +buildkit\.dockerfile\.v0$/);
  });

  test("as it is with --no-trunc and --human=false; the sizes that are stored with --compressed", async () => {
    const { stdout } = await run(history, root, "--no-trunc", "--human=false", of("app"));
    assert.match(stdout, /2020-01-01T00:00:00Z +ADD base\.tar \/ # buildkit +301029 /);
    assert.match(stdout, /(very ){20}long\\x1b\[2J/);
    const compressed = await run(history, root, "--compressed", "--human=false", of("app"));
    const [, size] = JSON.parse(readFileSync(layout.pathOf(top.digest), "utf8")).layers.map(
      ({ size }: { size: number }) => size,
    );
    assert.match(compressed.stdout, new RegExp(`COMPRESSED[^]* ${size}$`, "m"));
  });

  test("as JSON has ids and sizes; layers that the history does not tell of are there", async () => {
    const { stdout } = await run(history, root, "--json", of("app"));
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ layer, emptyLayer, size }) => [layer, emptyLayer, size]),
      [
        [2, false, 23],
        [undefined, true, undefined],
        [1, false, 301029],
      ],
    );
    assert.equal(lines[2].diffId, digestOf(lower));
    layout.image("silent", { layers: [lower, upper], config: (it) => ({ ...it, history: undefined }) });
    const silent = await run(history, root, of("silent"));
    assert.equal(silent.stdout.trimEnd().split("\n").length, 3);
  });
});

suite("layers", () => {
  test("is a table with what is wasted, and JSON", async () => {
    const { stdout } = await run(layers, root, of("app"));
    assert.match(stdout, /^# +SIZE +COMPRESSED +FILES +WASTED +INSTRUCTION\n1 +301kB +\S+ +3 +1\.01kB +ADD base\.tar/);
    assert.match(stdout, /efficiency 99\.7 %: 1\.01kB of 301kB are replaced or removed/);
    assert.match(stdout, /WASTED +COPIES +PATH\n +1kB +1 +\/etc\/gone\n +11B +1 +\/etc\/passwd\n$/);
    const json = JSON.parse((await run(layers, root, "--json", of("app"))).stdout);
    assert.deepEqual(
      json.layers.map(({ files, bytes, wastedBytes, removed }: Record<string, number>) => [
        files,
        bytes,
        wastedBytes,
        removed,
      ]),
      [
        [3, 301029, 1011, 0],
        [2, 23, 0, 1],
      ],
    );
    assert.equal(json.efficiency, (301052 - 1011) / 301052);
  });
});
