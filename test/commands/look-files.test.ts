// `tsbuild ls`, `cat`, `diff` on images made by hand.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openStore } from "../../builder/store/open.ts";
import { cat } from "../../src/commands/images/cat.ts";
import { diff } from "../../src/commands/images/diff.ts";
import { inspect } from "../../src/commands/images/inspect.ts";
import { ls } from "../../src/commands/images/ls.ts";
import { tarOf } from "../layer/support.ts";
import { CraftedLayout, digestOf } from "../support/crafted-layout.ts";
import { temp, root, BINARY, ODD_NAME, lower, HISTORY, layout, of, run } from "./looked-at.ts";

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
    // Where there is no store, looking at an image makes none.
    await openStore(root);
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
    const files = stdout.slice(stdout.lastIndexOf("\n\n") + 2);
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
