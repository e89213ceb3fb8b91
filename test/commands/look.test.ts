// `tsbuild inspect`, `history`, `ls`, `cat`, `diff`, `layers` on images made by hand, whose every byte is known.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { openStore } from "../../builder/store/open.ts";
import { cat } from "../../src/commands/cat.ts";
import { diff } from "../../src/commands/diff.ts";
import { history } from "../../src/commands/history.ts";
import { splitImagePath } from "../../src/commands/image-arguments.ts";
import { inspect } from "../../src/commands/inspect.ts";
import { layers } from "../../src/commands/layers.ts";
import { ls } from "../../src/commands/ls.ts";
import { tarOf } from "../layer/support.ts";
import type { CraftedImage } from "../support/crafted-layout.ts";
import { CraftedLayout, digestOf, zstd } from "../support/crafted-layout.ts";
import { runCommand } from "../support/run-command.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-look-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const root = join(temp, "store");

const BINARY = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) & 0xff));
const ODD_NAME = Buffer.from([0x6f, 0xff, 0x0a, 0x1b, 0x5b, 0x32, 0x4a]).toString("latin1");

const lower = tarOf([
  { name: "bin", type: "symlink", link: "usr/bin" },
  { name: "dev/" },
  { name: "dev/null", type: "char", major: 1, minor: 3, mode: 0o666 },
  { name: "etc/" },
  { name: "etc/passwd", content: "root:x:0:0\n", mtimeNs: 1_600_000_000_500_000_000n },
  { name: "etc/gone", content: "x".repeat(1000) },
  { name: "etc/self", type: "symlink", link: "/etc/passwd" },
  { name: "usr/bin/" },
  { name: "usr/bin/tool", content: BINARY, mode: 0o4755, uid: 3, gid: 4 },
  { name: "usr/bin/same", type: "hardlink", link: "usr/bin/tool", mode: 0o4755, uid: 3, gid: 4 },
]);
const upper = tarOf([
  { name: "etc/" },
  { name: "etc/.wh.gone" },
  { name: "etc/passwd", content: "root:x:0:0\nme:x:1:1\n" },
  { name: "opt/", mode: 0o1777 },
  { name: `opt/${ODD_NAME}`, content: "odd" },
]);
const HISTORY = [
  { created: "2020-01-01T00:00:00Z", created_by: "ADD base.tar / # buildkit", comment: "buildkit.dockerfile.v0" },
  { created: "2020-01-02T00:00:00Z", created_by: "ENV A=1", empty_layer: true },
  { created: "2020-01-03T00:00:00Z", created_by: `RUN ${"very ".repeat(20)}long\u001b[2J` },
];
const RUNTIME = { Env: ["PATH=/bin", "A=1"], Cmd: ["sh", "-c", "a b"], Labels: { "a.b": "\u001b]0;title" } };
const configured: CraftedImage["config"] = (it) => ({ ...it, config: RUNTIME, history: HISTORY });

const layout = new CraftedLayout(join(temp, "layout"));
layout.image("base", { layers: [lower], config: (it) => ({ ...it, history: HISTORY.slice(0, 1) }) });
const top = layout.image("app", { layers: [lower, upper], config: configured });
layout.image("zstd", { layers: [lower, upper], config: configured, ...zstd });
const of = (name: string, path = ""): string => `oci:${layout.folder}:${name}${path}`;
const run = runCommand;

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

suite("ls", () => {
  const list = async (...args: string[]): Promise<string[]> => {
    const { stdout, error } = await run(ls, root, ...args);
    assert.equal(error, undefined, error?.message);
    return stdout.trimEnd().split("\n");
  };

  test("lists a directory, all below it, or a file, with whiteouts honoured", async () => {
    assert.deepEqual(await list(of("app")), ["bin", "dev", "etc", "opt", "usr"]);
    assert.deepEqual(await list(of("app", ":/etc")), ["passwd", "self"]);
    assert.deepEqual(await list(of("base", ":/etc")), ["gone", "passwd", "self"]);
    assert.deepEqual(await list("-R", of("app", ":/usr")), ["bin", "bin/same", "bin/tool"]);
    assert.deepEqual(await list(of("app", ":/etc/passwd")), ["/etc/passwd"]);
  });

  test("follows links in the image, the last one only without -l", async () => {
    assert.deepEqual(await list(of("app", ":/bin")), ["same", "tool"]);
    assert.deepEqual(await list("-l", of("app", ":/bin/")), await list("-l", of("app", ":/usr/bin")));
    assert.match((await list("-l", of("app", ":/bin")))[0] ?? "", /^lrwxrwxrwx.* \/bin -> usr\/bin$/);
    assert.match((await list("-l", of("app", ":/etc/self")))[0] ?? "", /\/etc\/self -> \/etc\/passwd$/);
  });

  test("-l has mode, owner, size or device, time", async () => {
    assert.deepEqual(await list("-l", of("app", ":/usr/bin")), [
      "-rwsr-xr-x   3:4   300000   1970-01-01T00:00:00Z   same",
      "-rwsr-xr-x   3:4   300000   1970-01-01T00:00:00Z   tool",
    ]);
    assert.match((await list("-l", of("app", ":/dev/null")))[0] ?? "", /^crw-rw-rw- +0:0 +1, 3 /);
    assert.match((await list("-l", of("base", ":/etc/passwd")))[0] ?? "", / 11 +2020-09-13T12:26:40\.5Z /);
    assert.match((await list("-l", of("app")))[3] ?? "", /^drwxrwxrwt /);
  });

  test("--layer has what one layer holds and removes", async () => {
    assert.deepEqual(await list("-R", "--layer", "2", of("app")), [
      "etc",
      "etc/gone (deleted)",
      "etc/passwd",
      "opt",
      "opt/o\\377\\n\\x1b[2J",
    ]);
    assert.equal((await run(ls, root, "--layer", "3", of("app"))).error?.code, "USAGE");
    assert.equal((await run(ls, root, "--layer", "0", of("app"))).error?.code, "USAGE");
  });

  test("names of any bytes: printable, as they are, as JSON", async () => {
    assert.deepEqual(await list(of("app", ":/opt")), ["o\\377\\n\\x1b[2J"]);
    const raw = await run(ls, root, "-0", of("app", ":/opt"));
    assert.deepEqual(raw.bytes, Buffer.from(`${ODD_NAME}\0`, "latin1"));
    const json = JSON.parse((await run(ls, root, "--json", of("app", ":/opt"))).stdout);
    assert.deepEqual(
      [json.nameBytes, json.mode, json.size, json.digest],
      [Buffer.from(ODD_NAME, "latin1").toString("base64"), "0644", 3, digestOf(Buffer.from("odd"))],
    );
  });

  test("what is not there is named, also behind a link", async () => {
    const missing = await run(ls, root, of("app", ":/bin/none"));
    assert.equal(missing.error?.code, "INPUT_MISSING");
    assert.match(missing.error?.message ?? "", /there is no "\/bin\/none" in .* \(it leads to "\/usr\/bin\/none"\)/);
    assert.match((await run(ls, root, of("app", ":/etc/passwd/x"))).error?.message ?? "", /is not a directory/);
  });

  test("reads a layer once: afterwards its index is enough", async () => {
    const own = new CraftedLayout(join(temp, "own"));
    own.image("it", { layers: [tarOf([{ name: "once", content: "read once" }])] });
    const name = `oci:${own.folder}:it`;
    assert.deepEqual(await list(name), ["once"]);
    const [{ Layers }] = JSON.parse((await run(inspect, root, "--json", name)).stdout);
    rmSync(own.pathOf(Layers[0].Digest));
    assert.deepEqual(await list(name), ["once"]);
    assert.equal((await run(cat, root, `${name}:/once`)).error?.code, "INPUT_MISSING");
  });

  test("a layer that is not what the config says is an error, and is not remembered", async () => {
    const liar = new CraftedLayout(join(temp, "liar"));
    const told = digestOf(Buffer.from("something else"));
    liar.image("it", { layers: [lower], config: (it) => ({ ...it, rootfs: { type: "layers", diff_ids: [told] } }) });
    for (let times = 0; times < 2; times++) {
      const { error } = await run(ls, root, `oci:${liar.folder}:it`);
      assert.equal(error?.code, "ARCHIVE_INVALID");
      assert.match(error?.message ?? "", /layer 1 \(sha256:\w+\) of .*: a layer is not what its image says/);
    }
  });
});

suite("cat", () => {
  test("gives the bytes, through links and other names, in any compression", async () => {
    for (const path of [":/usr/bin/tool", ":/bin/tool", ":/bin/same"]) {
      for (const name of ["app", "zstd"]) assert.deepEqual((await run(cat, root, of(name, path))).bytes, BINARY, path);
    }
    const both = await run(cat, root, of("base", ":/etc/self"), of("app", ":/etc/self"));
    assert.equal(both.stdout, "root:x:0:0\nroot:x:0:0\nme:x:1:1\n");
  });

  test("what is no file is refused by its kind", async () => {
    assert.match((await run(cat, root, of("app", ":/etc"))).error?.message ?? "", /is no file but a directory/);
    assert.match((await run(cat, root, of("app", ":/dev/null"))).error?.message ?? "", /a character device/);
    assert.equal((await run(cat, root, of("app", ":/etc/gone"))).error?.code, "INPUT_MISSING");
    assert.equal((await run(cat, root, of("app"))).error?.code, "USAGE");
  });
});

suite("diff", () => {
  test("says fields, and files below the instruction that made the difference", async () => {
    const { stdout, code } = await run(diff, root, of("base"), of("app"));
    assert.equal(code, 0);
    assert.match(stdout, /^config\n {2}A config\.Cmd {2}\["sh","-c","a b"\]\n/);
    assert.match(stdout, /A config\.Labels\["a\.b"\] {2}"\\u001b\]0;title"/);
    const files = stdout.slice(stdout.indexOf("\n\n") + 2);
    const [heading, ...lines] = files.trimEnd().split("\n");
    assert.match(heading ?? "", /layout.*:app layer 2 {2}RUN very very/);
    assert.deepEqual(lines, [
      "  D /etc/gone  1kB",
      "  C /etc/passwd  size 11 -> 20, content",
      "  A /opt/",
      "  A /opt/o\\377\\n\\x1b[2J  3B",
    ]);
  });

  test("--exit-code tells equal from different; compression is no difference", async () => {
    assert.equal((await run(diff, root, "--exit-code", of("base"), of("app"))).code, 1);
    const same = await run(diff, root, "--exit-code", of("app"), of("zstd"));
    assert.deepEqual([same.code, same.stdout], [0, "They are the same image.\n"]);
  });

  test("--times counts times, else a later build of the same is equal", async () => {
    const later = tarOf([{ name: "f", content: "x", mtimeNs: 5_000_000_000n }]);
    const earlier = tarOf([{ name: "f", content: "x" }]);
    layout.image("later", { layers: [later], config: (it) => ({ ...it, created: "2021-01-01T00:00:00Z" }) });
    layout.image("earlier", { layers: [earlier] });
    const without = await run(diff, root, "--exit-code", of("earlier"), of("later"));
    assert.equal(without.code, 0);
    assert.match(without.stdout, /Nothing differs but times/);
    const { stdout, code } = await run(diff, root, "--exit-code", "--times", of("earlier"), of("later"));
    assert.equal(code, 1);
    assert.match(stdout, /A created {2}"2021[^]*C \/f {2}time 1970-01-01T00:00:00Z -> 1970-01-01T00:00:05Z/);
  });

  test("--stat sums up, --json has everything", async () => {
    const { stdout } = await run(diff, root, "--stat", of("base"), of("app"));
    assert.match(stdout, /^ADDED +CHANGED +DELETED +BYTES +BY\n +2 +1 +1 +-988B +.* layer 2 {2}RUN/);
    const json = JSON.parse((await run(diff, root, "--json", of("base"), of("app"))).stdout);
    assert.deepEqual([json.equal, json.sharedLayers, json.files.length], [false, 1, 4]);
    const passwd = json.files.find(({ path }: { path: string }) => path === "/etc/passwd");
    assert.deepEqual(
      [passwd.kind, passwd.fields, passwd.image, passwd.layer],
      ["changed", ["size", "content"], "b", 2],
    );
    assert.deepEqual([passwd.before.size, passwd.after.size, passwd.createdBy], [11, 20, HISTORY[2]?.created_by]);
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
