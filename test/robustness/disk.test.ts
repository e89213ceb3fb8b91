// Disks that are full, read-only, or not ours: one clear message, the right exit code, no partial output, and a store
// that works as soon as there is room again.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { whyNoBusybox } from "../support/busybox.ts";
import { isRoot, Running, Workshop } from "./workshop.ts";

const OUTPUT = 73;
const INPUT = 66;
/** An ordinary user without a name. */
const NOBODY = 64_123;

suite(
  "a disk that is full",
  { skip: whyNoBusybox() ?? (isRoot ? false : "needs root, to mount small file systems") },
  () => {
    let workshop: Workshop;
    const mounted: string[] = [];
    before(async () => (workshop = await Workshop.open()));
    after(async () => {
      for (const path of mounted) spawnSync("umount", ["-l", path]);
      await workshop.close();
    });

    function smallDisk(name: string, sizeMib: number): string {
      const path = join(workshop.folder, name);
      mkdirSync(path);
      mount(path, `size=${sizeMib}m`);
      mounted.push(path);
      return path;
    }

    const steps: readonly (readonly [what: string, step: string, code: number])[] = [
      ["a RUN, which then says so itself", "RUN dd if=/dev/urandom of=/big bs=1M count=40", 1],
      ["packing", "RUN dd if=/dev/urandom of=/big bs=1M count=12", OUTPUT],
      ["a COPY", "COPY big /", OUTPUT],
    ];
    for (const [what, step, code] of steps) {
      test(`the store's, in the middle of ${what}: it ends with ${code}, and goes on when there is room`, async () => {
        const disk = smallDisk(`store-${what.slice(0, 8)}`, 20);
        const room = workshop.room(
          { Dockerfile: `FROM fixture:busybox\nRUN echo first >/first\n${step}\n`, big: "" },
          { root: join(disk, "root") },
        );
        writeFileSync(join(room.context, "big"), incompressible(40));
        // Not the ceiling of the store, but the disk is to be full.
        const ended = await room.build(["-t", "x", "-o", "type=oci,dest=out.tar"], {
          env: { TSBUILD_MAX_USED_SPACE: "1t" },
        });
        assert.equal(ended.code, code, ended.stderr);
        assert.match(ended.stderr, /no space left|the disk is full/i);
        assert.doesNotMatch(ended.stderr, /internal error|cannot be read|^ +at .*[.]js:/im);
        assert.deepEqual(room.temporaries(), []);
        assert.ok(!existsSync(join(room.home, "out.tar")));
        mount(disk, "remount,size=200m");
        const again = await room.succeed(["-t", "x"]);
        assert.match(again.stderr, /RUN echo first[^\n]*\n#\d+ CACHED/);
        assert.deepEqual(unfinishedLayers(room.root), []);
      });
    }

    for (const type of ["oci", "docker", "tar"]) {
      test(`the output's, with type=${type}: ${OUTPUT}, and nothing lies there`, async () => {
        const disk = smallDisk(`out-${type}`, 5);
        const room = workshop.room({ Dockerfile: "FROM fixture:busybox\nCOPY big /\n" });
        writeFileSync(join(room.context, "big"), incompressible(10));
        const ended = await room.build(["-o", `type=${type},dest=${disk}/out.tar`]);
        assert.equal(ended.code, OUTPUT, ended.stderr);
        assert.match(ended.stderr, new RegExp(`ERROR: cannot write "${disk}/out.tar": the disk is full`));
        assert.deepEqual(readdirSync(disk), []);
      });
    }

    const folders: readonly (readonly [spec: string, isThere: boolean])[] = [
      ["type=local", false],
      ["type=local", true],
      ["type=oci,tar=false", false],
      ["type=oci,tar=false", true],
    ];
    for (const [spec, isThere] of folders) {
      const which = isThere ? "that is there and keeps what it has" : "that is new";
      test(`the output's, with ${spec} and a folder ${which}: ${OUTPUT}, and nothing lies there`, async () => {
        const disk = smallDisk(`out-${spec.slice(5, 8)}-${isThere}`, 5);
        const room = workshop.room({ Dockerfile: "FROM fixture:busybox\nCOPY big /\n" });
        const folder = join(disk, "made/out");
        const small = join(room.home, "small");
        writeFileSync(small, "FROM scratch\nCOPY Dockerfile /kept\n");
        if (isThere) await room.succeed(["-f", small, "-o", `${spec},dest=${folder}`]);
        const before = listOf(disk);
        writeFileSync(join(room.context, "big"), incompressible(10));
        const ended = await room.build(["-o", `${spec},dest=${folder}`]);
        assert.equal(ended.code, OUTPUT, ended.stderr);
        assert.match(ended.stderr, /ERROR: cannot .*: the disk is full/);
        assert.deepEqual(listOf(disk), before);
      });
    }

    test("a read-only store is refused by name", async () => {
      const disk = smallDisk("read-only", 20);
      const room = workshop.room({ Dockerfile: "FROM fixture:busybox\nRUN true\n" }, { root: join(disk, "root") });
      await room.succeed();
      mount(disk, "remount,ro");
      const ended = await room.build();
      assert.equal(ended.code, OUTPUT, ended.stderr);
      assert.match(ended.stderr, /read-only/);
      assert.match(ended.stderr, /--root/);
      const made = await room.build(["--root", join(disk, "a/new/one")]);
      assert.equal(made.code, OUTPUT, made.stderr);
      assert.match(made.stderr, /read-only[^]*--root/);
      for (const command of ["du", "why"]) {
        const looked = await new Running(["--root", room.root, command], room.home).ended;
        assert.equal(looked.code, OUTPUT, looked.stderr);
        assert.match(looked.stderr, /^ERROR: cannot use the store in [^]*read-only[^]*--root/);
      }
    });

    test("a read-only output is refused by name, whatever its kind", async () => {
      const disk = smallDisk("read-only-out", 5);
      const room = workshop.room({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
      mount(disk, "remount,ro");
      for (const spec of ["type=oci", "type=tar", "type=local", "type=oci,tar=false"]) {
        const ended = await room.build(["-o", `${spec},dest=${disk}/new/out`]);
        assert.equal(ended.code, OUTPUT, `${spec}: ${ended.stderr}`);
        assert.match(
          ended.stderr,
          spec.includes("tar=") || spec === "type=local" ? /read-only/ : /does not exist/,
          spec,
        );
      }
    });
  },
);

suite("files of others", { skip: whyNoBusybox() ?? (isRoot ? false : "needs root, to become another user") }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  test("a file of the context that may not be read is named", async () => {
    const room = workshop.room({ Dockerfile: "FROM scratch\nCOPY . /\n", secret: "x" });
    chmodSync(join(room.context, "secret"), 0o600);
    giveHome(room.home);
    const ended = await room.build(["--root", join(room.home, "own")], { uid: NOBODY });
    assert.equal(ended.code, INPUT, ended.stderr);
    assert.match(ended.stderr, /secret/);
    assert.match(ended.stderr, /permission denied/i);
  });

  test("a folder that may not be written takes no output", async () => {
    const room = workshop.room({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    giveHome(room.home);
    const closed = join(room.home, "closed");
    mkdirSync(closed);
    for (const spec of [
      "type=oci,dest=closed/x.tar",
      "type=tar,dest=closed/x.tar",
      "type=local,dest=closed/x",
      "type=oci,tar=false,dest=closed/x",
    ]) {
      const ended = await room.build(["--root", join(room.home, "own"), "-o", spec], { uid: NOBODY });
      assert.equal(ended.code, OUTPUT, `${spec}: ${ended.stderr}`);
      assert.match(ended.stderr, /permission/, spec);
    }
    assert.deepEqual(readdirSync(closed), []);
  });

  test("another user's store is refused by name", async () => {
    const room = workshop.room({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    giveHome(room.home);
    const ended = await room.build([], { uid: NOBODY });
    assert.equal(ended.code, OUTPUT, ended.stderr);
    assert.match(ended.stderr, /no permission/);
  });

  function giveHome(home: string): void {
    chownSync(home, NOBODY, NOBODY);
  }
});

/** Every path below a folder, with what files hold. */
function listOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? name : `${name} ${readFileSync(path, "base64")}`;
    });
}

function mount(path: string, options: string): void {
  const { status, stderr } = spawnSync(
    "mount",
    [...(options.startsWith("remount") ? [] : ["-t", "tmpfs"]), "-o", options, "tmpfs", path],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
}

function incompressible(mib: number): Buffer {
  const bytes = Buffer.alloc(mib << 20);
  let state = 1;
  for (let at = 0; at < bytes.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, at);
  }
  return bytes;
}

/** Layers on disk that no index makes whole. */
function unfinishedLayers(root: string): string[] {
  const layers = join(root, "tsbuild/layers");
  return readdirSync(layers).filter((id) => !existsSync(join(layers, id, "meta.json")));
}
