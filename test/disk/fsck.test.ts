// Faults put into a store: each is found, mended, and never makes a wrong image. Builds that are killed: the store is in
// order afterwards, and below its ceiling.

import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "../../builder/cache/database.ts";
import { openSpace } from "../../builder/engine/space.ts";
import { fsck } from "../../builder/fsck.ts";
import { prepareStore } from "../../builder/store/open.ts";
import { onDiskBytes } from "../support/on-disk.ts";
import { whyNoBusybox } from "../support/busybox.ts";
import type { Ended, Room } from "../robustness/workshop.ts";
import { Running, Workshop } from "../robustness/workshop.ts";

const DOCKERFILE = `\
FROM fixture:busybox
COPY file /
RUN echo made >/made
RUN echo third >/third
`;

suite("a damaged store", { skip: whyNoBusybox() ?? false }, () => {
  let workshop: Workshop;
  before(async () => (workshop = await Workshop.open()));
  after(() => workshop.close());

  async function fsckOf(room: Room, ...args: readonly string[]): Promise<Ended> {
    return await new Running(["--root", room.root, "fsck", ...args], room.home).ended;
  }

  test("every fault is found and mended, and the next build gives the same image", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE, file: "text" });
    const first = digestIn(await room.succeed(["--reproducible", "-t", "own"]));
    const clean = await fsckOf(room);
    assert.equal(clean.code, 0, clean.stdout);

    const faults = damage(room.root, first);
    const found = await fsckOf(room);
    assert.equal(found.code, 4, found.stdout);
    for (const fault of faults) assert.match(found.stdout, fault);
    assert.match(found.stdout, new RegExp(`^${faults.length} faults, 0 mended`, "m"));

    const mended = await fsckOf(room, "--repair");
    assert.equal(mended.code, 1, mended.stdout);
    const after = await fsckOf(room);
    assert.equal(after.code, 0, after.stdout);
    assert.equal(digestIn(await room.succeed(["--reproducible", "-t", "own"])), first);
  });

  test("records that are damaged are put aside, with a warning, and steps run again", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE, file: "text" });
    const first = digestIn(await room.succeed(["--reproducible", "-t", "own"]));
    writeFileSync(join(room.root, "tsbuild/cache.db"), "no database".repeat(1000));
    const again = await room.succeed(["--reproducible", "-t", "own"]);
    assert.match(again.stderr, /cache records were damaged/);
    assert.doesNotMatch(again.stderr, /RUN echo made[^\n]*\n#\d+ CACHED/);
    assert.equal(digestIn(again), first);
  });

  test("without being asked, a build meets no fault: what is damaged is made again", async () => {
    const room = workshop.room({ Dockerfile: DOCKERFILE, file: "text" });
    const first = digestIn(await room.succeed(["--reproducible", "-t", "own"]));
    for (const id of layersOf(room.root)) {
      const meta = join(room.root, "tsbuild/layers", id, "meta.json");
      truncateSync(meta, 10);
    }
    const layout = join(room.root, "oci-layout");
    const whole = readFileSync(layout, "utf8");
    truncateSync(layout, 10);
    const remade = await room.succeed(["--reproducible", "-t", "own"]);
    assert.equal(digestIn(remade), first);
    assert.equal(readFileSync(layout, "utf8"), whole);
    writeFileSync(layout, "no layout".repeat(100));
    assert.match((await fsckOf(room)).stdout, /"oci-layout" is damaged/);
    assert.equal(readFileSync(layout, "utf8"), whole);
    // Of the list of images what was built here is known again; what was there stays beside it.
    const index = join(room.root, "index.json");
    const listed = readFileSync(index, "utf8");
    truncateSync(index, 20);
    const relisted = await room.succeed(["--reproducible", "-t", "other"]);
    assert.match(relisted.stderr, /the list of images[^\n]* was damaged[^\n]*2 names are known again/);
    assert.match(readFileSync(index, "utf8"), /"docker.io\/library\/own:latest"[^]*"docker.io\/library\/other:latest"/);
    assert.equal(readFileSync(`${index}.damaged`, "utf8"), listed.slice(0, 20));
    // A layer that is only a folder, without its list.
    for (const id of layersOf(room.root)) rmSync(join(room.root, "tsbuild/layers", id, "index"));
    writeFileSync(join(room.context, "further"), `${DOCKERFILE}RUN test -s /third\nRUN true\n`);
    await room.succeed(["-t", "further", "-f", join(room.context, "further")]);
    // Blobs that are cut short, and documents with other bytes in them; those of the base are nobody's to make.
    const base = join(workshop.folder, "base/store/blobs/sha256");
    for (const hex of readdirSync(join(room.root, "blobs/sha256"))) {
      const blob = join(room.root, "blobs/sha256", hex);
      if (existsSync(join(base, hex))) continue;
      if (readFileSync(blob)[0] === 0x7b) writeFileSync(blob, readFileSync(blob, "latin1").replace('"', " "), "latin1");
      else truncateSync(blob, 20);
    }
    const again = await room.succeed(["--reproducible", "-t", "own"]);
    assert.equal(digestIn(again), first);
    // Other bytes of the same length: nobody reads them but whoever takes them out of the store.
    for (const hex of readdirSync(join(room.root, "blobs/sha256"))) {
      const blob = join(room.root, "blobs/sha256", hex);
      const bytes = readFileSync(blob);
      if (bytes[0] === 0x7b) continue;
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      writeFileSync(blob, bytes);
    }
    for (const output of ["type=oci", "type=docker", "type=oci,tar=false"]) {
      const refused = await room.build(["--reproducible", "-o", `${output},dest=${join(room.home, "out")}`]);
      assert.notEqual(refused.code, 0, output);
      assert.match(refused.stderr, /a blob is damaged in the store[^]*fsck --repair removes it/);
      assert.equal(existsSync(join(room.home, "out")), false, output);
    }
  });

  test("builds that are killed leave a store in order, below its ceiling, and the next one is right", async () => {
    const big = "dd if=/dev/zero of=/big bs=64k count=64 2>/dev/null; echo $ROUND >/round";
    const room = workshop.room({ Dockerfile: `FROM fixture:busybox\nARG ROUND\nRUN ${big}\nRUN cp /big /second\n` });
    const env = { TSBUILD_MAX_USED_SPACE: "40m" };
    const start = (round: number): Running =>
      room.start(["--reproducible", "-t", "own", "--build-arg", `ROUND=${round}`], { env });
    const first = digestIn(await start(0).ended);
    for (const round of [1, 2, 3]) {
      const [killed, other] = [start(round), start(0)];
      await sleep(300 + round * 700);
      await killed.kill("SIGKILL");
      assert.equal(digestIn(await other.ended), first);
    }
    assert.equal(digestIn(await start(0).ended), first);
    const checked = await fsckOf(room);
    assert.equal(checked.code, 0, checked.stdout);
    const onDisk = await onDiskBytes(room.root);
    assert.ok(onDisk <= 40 * 2 ** 20, `${onDisk} bytes`);
    assert.deepEqual(room.temporaries(), []);
  });
});

test("a layer that a running process is making is no damage, one that an ended process began is", async () => {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-fsck-"));
  try {
    await prepareStore(root);
    const { database } = openDatabase(join(root, "tsbuild/cache.db"));
    const check = async (): Promise<string[]> =>
      (await fsck({ root, repair: false, full: true }, new AbortController().signal)).map(({ what }) => what);
    {
      await using space = await openSpace({ root, database, privileged: true, onFault: assert.fail });
      space.hold("layer/coming");
      mkdirSync(join(root, "tsbuild/layers/coming/fs"), { recursive: true });
      assert.deepEqual(await check(), []);
    }
    assert.deepEqual(await check(), ["the layer coming was never finished"]);
    database.close();
  } finally {
    rmSync(root, { recursive: true });
  }
});

/** Puts in one fault of each kind; what `fsck` is to say of each. */
function damage(root: string, digest: string): RegExp[] {
  const own = join(root, "tsbuild");
  const manifest = JSON.parse(readFileSync(join(root, "blobs", digest.replace(":", "/")), "utf8")) as {
    layers: { digest: string }[];
  };
  const [, copied = "", made = ""] = manifest.layers.map((layer) => layer.digest);
  const database = new DatabaseSync(join(own, "cache.db"));
  const rows = database.prepare("SELECT key, layers FROM results ORDER BY length(layers)").all();
  const layers = JSON.parse(String(rows.at(-1)?.["layers"])) as string[];
  const [ofBase = "", ofCopy = "", ofMade = "", ofThird = ""] = layers;
  database.exec(`INSERT INTO results VALUES ('sha256:gone', '["gone"]', 'RUN gone', 1)`);
  database.exec(`INSERT INTO results VALUES ('sha256:half', '["hal', 'RUN half', 1)`);
  database.close();

  truncateSync(join(root, "blobs", copied.replace(":", "/")), 5);
  const blob = join(root, "blobs", made.replace(":", "/"));
  const bytes = readFileSync(blob);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(blob, bytes);
  truncateSync(join(own, "layers", ofCopy, "index"), 30);
  writeFileSync(join(own, "layers", ofMade, "fs/made"), "");
  const program = join(own, "layers", ofBase, "fs/bin/busybox");
  const code = readFileSync(program);
  code[code.length >> 1] = (code[code.length >> 1] ?? 0) ^ 1;
  writeFileSync(program, code);
  writeFileSync(join(own, "layers", ofThird, "meta.json"), '{"origin":"built"');
  mkdirSync(join(own, "layers/unfinished/fs"), { recursive: true });
  mkdirSync(join(own, "notes"), { recursive: true });
  writeFileSync(join(own, "notes", "0".repeat(64)), "{");
  writeFileSync(join(own, "builds/damagedone.json"), "");
  // Its pid namespace is ours, so that it can be judged.
  const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "none";
  copyFileSync(blob, join(own, `tmp/999999-1-${namespace}.0.blob`));
  assert.ok(existsSync(join(own, "leases")));
  return [
    new RegExp(`blob ${copied} is damaged: its 5 bytes have sha256:`),
    new RegExp(`blob ${made} is damaged: its ${bytes.length} bytes have sha256:`),
    new RegExp(`layer ${ofBase} has other bytes in "bin/busybox"`),
    new RegExp(`layer ${ofCopy} has a damaged list of entries`),
    new RegExp(`layer ${ofMade} lacks the bytes of "made"`),
    new RegExp(`layer ${ofThird} has a damaged meta.json`),
    /layer unfinished was never finished/,
    /cache record of RUN gone names the layer gone, which is not there/,
    /cache record of RUN half is damaged/,
    /notes\/0{64}" is damaged/,
    /builds\/damagedone.json" is damaged/,
    /tmp\/999999-1-\S+" was left by a process that has ended/,
  ];
}

function layersOf(root: string): string[] {
  return readdirSync(join(root, "tsbuild/layers"));
}

function digestIn({ code, stdout, stderr }: Ended): string {
  assert.equal(code, 0, stderr);
  return /^digest\s+(\S+)$/m.exec(stdout)?.[1] ?? assert.fail(stdout);
}
