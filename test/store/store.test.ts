// The store's promises: a blob is there whole or not at all, names are never lost, and
// what goes wrong is said.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { MEDIA } from "../../builder/core/image/descriptor.ts";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import { digestOf, hexOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { refuseNetwork } from "../../builder/store/network-disk.ts";
import { openStore } from "../../builder/store/open.ts";
import { ownerName } from "../../builder/store/owner.ts";
import { sweepTemporary } from "../../builder/store/temporary.ts";

const temp = mkdtempSync(join(tmpdir(), "tsbuild-store-"));
after(() => rmSync(temp, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(join(temp, "s-"));
const never = new AbortController().signal;
const isRoot = process.getuid?.() === 0;
const descriptorOf = (text: string): Descriptor => ({
  mediaType: MEDIA.ociManifest,
  digest: digestOf(text),
  size: text.length,
});
const child = join(import.meta.dirname, "store-child.ts");

function isError(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof BuildError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

suite("blobs", () => {
  test("appear under their digest once they are whole", async () => {
    const root = fresh();
    const store = await openStore(root);
    const digest = digestOf("hello world");
    await using writer = await store.writer(never);
    await writer.write(Buffer.from("hello "));
    assert.equal(await store.has(digest), false);
    await writer.write(Buffer.from("world"));
    assert.deepEqual(await writer.commit({ digest, size: 11 }), { digest, size: 11 });
    assert.equal(readFileSync(join(root, "blobs/sha256", hexOf(digest)), "utf8"), "hello world");
    assert.equal(await store.sizeOf(digest), 11);
    assert.deepEqual(readdirSync(join(root, "tsbuild/tmp")), []);
  });

  test("that are not what was expected never appear, and leave nothing", async () => {
    const root = fresh();
    const store = await openStore(root);
    for (const expected of [{ digest: digestOf("other") }, { size: 4 }]) {
      await using writer = await store.writer(never);
      await writer.write(Buffer.from("hello"));
      await assert.rejects(writer.commit(expected), isError("DIGEST_INVALID", /was expected/));
    }
    assert.deepEqual(readdirSync(join(root, "blobs/sha256")), []);
    assert.deepEqual(readdirSync(join(root, "tsbuild/tmp")), []);
  });

  test("that a worker wrote are adopted, unless their size is another", async () => {
    const store = await openStore(fresh());
    const found = { digest: digestOf("by a worker"), size: 11 };
    await using writer = await store.writer(never);
    writeFileSync(writer.path, "by a worker");
    await assert.rejects(writer.adopt({ ...found, size: 12 }), isError("DIGEST_INVALID", /12 bytes/));
    await writer.adopt(found);
    assert.equal(Buffer.from(await store.read(found.digest)).toString(), "by a worker");
  });

  test("that lie damaged on the disk are not read", async () => {
    const store = await openStore(fresh());
    const { digest } = await store.put(Buffer.from("sound"));
    writeFileSync(await store.pathOf(digest), "sOund");
    await assert.rejects(store.read(digest), isError("STORE", /is damaged: its bytes have sha256:/));
  });

  test("that are missing are said to be", async () => {
    const store = await openStore(fresh());
    await assert.rejects(
      store.read(digestOf("x")),
      (error) => error instanceof BuildError && /^tsbuild fsck .*pull or build/.test(error.hint ?? ""),
    );
    await assert.rejects(
      async () => {
        for await (const _ of store.open(digestOf("x"), never));
      },
      isError("STORE", /is not in "/),
    );
  });

  test("of which a writer is aborted leave nothing", async () => {
    const root = fresh();
    const store = await openStore(root);
    const abort = new AbortController();
    await assert.rejects(async () => {
      await using writer = await store.writer(abort.signal);
      await writer.write(Buffer.from("half"));
      abort.abort();
      await writer.write(Buffer.from("whole"));
    });
    assert.deepEqual(readdirSync(join(root, "tsbuild/tmp")), []);
  });
});

suite("names", () => {
  test("are set, found, listed and removed, and foreign entries stay as they are", async () => {
    const root = fresh();
    const store = await openStore(root);
    const index = JSON.parse(readFileSync(join(root, "index.json"), "utf8"));
    const foreign = {
      mediaType: MEDIA.ociManifest,
      digest: digestOf("f"),
      size: 1,
      data: "e30=",
      annotations: { "org.opencontainers.image.ref.name": "theirs" },
    };
    writeFileSync(
      join(root, "index.json"),
      JSON.stringify({ ...index, manifests: [foreign], annotations: { kept: "yes" } }),
    );
    await store.names.tag("docker.io/library/a:1", descriptorOf("one"));
    await store.names.tag("docker.io/library/a:1", descriptorOf("two"));
    assert.deepEqual(await store.names.resolve("docker.io/library/a:1"), descriptorOf("two"));
    assert.deepEqual(
      (await store.names.list()).map(({ name }) => name),
      ["theirs", "docker.io/library/a:1"],
    );
    assert.equal(await store.names.untag("docker.io/library/a:1"), true);
    assert.equal(await store.names.untag("docker.io/library/a:1"), false);
    const now = JSON.parse(readFileSync(join(root, "index.json"), "utf8"));
    assert.deepEqual(now.manifests, [foreign]);
    assert.deepEqual(now.annotations, { kept: "yes" });
  });

  test("of two processes that write at once are all there", async () => {
    const root = fresh();
    const runs = ["a", "b"].map(async (who) => {
      const run = spawn(process.execPath, [child, "tag", root, who, "40"], { stdio: ["ignore", "inherit", "inherit"] });
      assert.deepEqual(await once(run, "exit"), [0, null]);
    });
    await Promise.all(runs);
    const store = await openStore(root);
    assert.equal((await store.names.list()).length, 80);
    assert.equal(readdirSync(join(root, "blobs/sha256")).length, 80);
  });
});

suite("a process that is killed", () => {
  test("leaves folders of mode 000, which are swept, too", () => {
    const root = fresh();
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? assert.fail("no namespace");
    const closed = join(root, `999999-1-${namespace}.0.engine`);
    // What the kernel's overlay has below its work folder while a step writes.
    mkdirSync(join(closed, "work/work"), { recursive: true });
    writeFileSync(join(closed, "work/work/#1"), "");
    chmodSync(join(closed, "work/work"), 0);
    writeFileSync(join(root, `999999-1-${namespace}.1.blob`), "");
    mkdirSync(join(root, `${ownerName()}.0.engine`));
    assert.equal(sweepTemporary(root), 2);
    assert.deepEqual(readdirSync(root), [`${ownerName()}.0.engine`]);
    assert.equal(sweepTemporary(join(root, "none")), 0);
  });

  test("in the middle of a blob leaves a file that the next one to open the store sweeps", async () => {
    const root = fresh();
    const run = spawn(process.execPath, [child, "hang", root], { stdio: ["ignore", "pipe", "inherit"] });
    await once(run.stdout, "data");
    await openStore(root);
    assert.equal(readdirSync(join(root, "tsbuild/tmp")).length, 1, "the file of a living process was swept");
    run.kill("SIGKILL");
    await once(run, "exit");
    const store = await openStore(root);
    assert.deepEqual(readdirSync(join(root, "tsbuild/tmp")), []);
    assert.deepEqual(readdirSync(join(root, "blobs/sha256")), []);
    await store.names.tag("after:1", descriptorOf("x"));
  });
});

suite("a place that will not do", () => {
  test("is on a file system that several machines write: locks do not hold there", () => {
    for (const [type, name] of [
      [0x6969, "NFS"],
      [0xff534d42, "CIFS"],
      [0xc36400, "Ceph"],
    ] as const)
      // prettier-ignore
      assert.throws(() => refuseNetwork("/mnt/store", type), { code: "STORE", message: new RegExp(`is on ${name}`) });
    const types = [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]; // ext4, xfs, btrfs, tmpfs, overlay
    for (const type of types) refuseNetwork("/mnt/store", type);
  });

  test("is a folder that holds something else", async () => {
    const root = fresh();
    writeFileSync(join(root, "thesis.tex"), "");
    await assert.rejects(openStore(root), isError("STORE", /not an image layout and not empty: it holds "thesis.tex"/));
    assert.deepEqual(readdirSync(root), ["thesis.tex"]);
  });

  test("is a file, or lies below one", async () => {
    const file = join(fresh(), "file");
    writeFileSync(file, "");
    await assert.rejects(openStore(file), isError("STORE", /is not a directory/));
    await assert.rejects(openStore(join(file, "x")), isError("STORE", /is not a directory/));
  });

  test("is a layout of another version", async () => {
    const root = fresh();
    writeFileSync(join(root, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    await assert.rejects(openStore(root), isError("STORE", /version "2.0.0"; this tsbuild reads 1.0.0/));
  });

  test("has an index.json that is none", async () => {
    const root = fresh();
    const store = await openStore(root);
    writeFileSync(join(root, "index.json"), "<html>");
    await assert.rejects(store.names.list(), isError("STORE", /index.json" is not an image index/));
  });

  test("is read-only", { skip: isRoot ? false : "mounting needs root" }, async () => {
    const root = fresh();
    await openStore(root);
    execFileSync("mount", ["--bind", root, root]);
    try {
      execFileSync("mount", ["-o", "remount,bind,ro", root]);
      const store = await openStore(root).catch((error: unknown) => {
        assert(isError("STORE", /the file system is read-only/)(error));
        return undefined;
      });
      if (store !== undefined)
        await assert.rejects(store.put(Buffer.from("x")), isError("STORE", /the file system is read-only/));
    } finally {
      execFileSync("umount", [root]);
    }
  });

  test("is not ours", { skip: isRoot ? "root may write anywhere" : false }, async () => {
    const root = fresh();
    chmodSync(root, 0o555);
    await assert.rejects(openStore(join(root, "store")), isError("STORE", /no permission for/));
  });

  test(
    "is full: the blob is not there, nothing is left, and the next small one fits",
    { skip: isRoot ? false : "mounting needs root" },
    async () => {
      const root = fresh();
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "none", root]);
      try {
        const store = await openStore(join(root, "store"));
        await assert.rejects(
          async () => {
            await using writer = await store.writer(never);
            for (let i = 0; i < 8; i++) await writer.write(Buffer.alloc(1 << 19, i));
            await writer.commit();
          },
          isError("STORE", /the disk is full/),
        );
        assert.deepEqual(readdirSync(join(root, "store/tsbuild/tmp")), []);
        await store.put(Buffer.from("small"));
      } finally {
        execFileSync("umount", [root]);
      }
    },
  );

  test("is a blob's name that is a symlink", async () => {
    const root = fresh();
    const store = await openStore(root);
    writeFileSync(join(root, "tsbuild/secret"), "secret");
    symlinkSync("../../tsbuild/secret", join(root, "blobs/sha256", hexOf(digestOf("secret"))));
    await assert.rejects(store.read(digestOf("secret")));
  });
});

suite("skopeo", { skip: spawnSync("skopeo", ["--version"]).status === 0 ? false : "skopeo is not installed" }, () => {
  test("copies an image into the store, and it has a name there", async () => {
    const root = fresh();
    const store = await openStore(root);
    const layout = fresh();
    mkdirSync(join(layout, "d"));
    execFileSync(process.execPath, [child, "image", join(layout, "d")]);
    execFileSync("skopeo", ["copy", "-q", `oci:${join(layout, "d")}:app:1`, `oci:${root}:docker.io/library/copied:1`]);
    const found = await store.names.resolve("docker.io/library/copied:1");
    assert(found !== undefined && (await store.has(found.digest)));
  });
});
