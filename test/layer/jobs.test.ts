// Packing and applying through the pool of workers.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { digestOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { Entry, SourcedEntry } from "../../builder/layer/entry.ts";
import { openLayerJobs } from "../../builder/layer/jobs/pool.ts";
import { entriesOf, indexOf, isRoot, never, readTar, summary, temporary, treeText, sampleTree } from "./support.ts";

const jobs = openLayerJobs({ workers: 2 });
after(() => jobs[Symbol.asyncDispose]());

const needsRoot = { skip: isRoot ? false : "needs root: gives files to other users" };
const hasCode = (code: string) => (error: unknown) => error instanceof BuildError && error.code === code;

for (const compression of ["uncompressed", "gzip", "zstd"] as const) {
  test(`a tree survives packing and unpacking: ${compression}`, async (t) => {
    const base = temporary(t);
    const tree = join(base, "tree");
    sampleTree(tree);
    const blobFile = join(base, "blob");
    const packed = await jobs.pack(
      { content: entriesOf(tree), outFile: blobFile, sync: true, compression, keepNanoseconds: true },
      never,
    );
    assert.equal(packed.digest, digestOf(readFileSync(blobFile)));
    assert.equal(packed.size, statSync(blobFile).size);
    const directory = join(base, "again");
    const applied = await jobs.apply(
      { blobFile, compression, diffId: packed.diffId, directory, overlayXattrs: "trusted" },
      never,
    );
    assert.equal(applied.uncompressedSize, packed.uncompressedSize);
    assert.deepEqual(applied.index.entries, packed.index.entries);
    assert.deepEqual(applied.impliedDirectories, []);
    assert.deepEqual(treeText(directory), treeText(tree));
  });
}

test("times are lowered to the ceiling, and in the tar cut to whole seconds; the entries keep the fraction", async (t) => {
  const base = temporary(t);
  const entries = [-1n, 1_999_999_999n, 5_000_000_000n].map((mtimeNs, i): SourcedEntry => ({
    entry: { path: `f${i}`, type: "file", mode: 0o644, uid: 0, gid: 0, size: 0, mtimeNs },
    source: { kind: "bytes", bytes: new Uint8Array(0) },
  }));
  const outFile = join(base, "blob");
  const packed = await jobs.pack(
    { content: entries, outFile, sync: false, compression: "uncompressed", maxMtimeNs: 3_000_000_000n },
    never,
  );
  assert.deepEqual(
    packed.index.entries.map(({ mtimeNs }) => mtimeNs),
    [-1n, 1_999_999_999n, 3_000_000_000n],
  );
  assert.deepEqual(
    readTar(readFileSync(outFile)).map(({ header }) => header.mtimeNs),
    [-1_000_000_000n, 1_000_000_000n, 3_000_000_000n],
  );
});

test("the order and the blob do not depend on the order of the entries", async (t) => {
  const base = temporary(t);
  sampleTree(join(base, "tree"));
  const entries = entriesOf(join(base, "tree"));
  const shuffled = [...entries].sort((a, b) => (digestOf(a.entry.path) < digestOf(b.entry.path) ? -1 : 1));
  const first = await jobs.pack(
    { content: entries, outFile: join(base, "1"), sync: false, compression: "gzip" },
    never,
  );
  const second = await jobs.pack(
    { content: shuffled, outFile: join(base, "2"), sync: false, compression: "gzip" },
    never,
  );
  assert.equal(second.digest, first.digest);
});

test("the first name of a file in the tar has its content, whichever name the entries call the file", async (t) => {
  const base = temporary(t);
  const file: Entry = { path: "m", type: "file", mode: 0o600, uid: 0, gid: 0, size: 2, mtimeNs: 0n };
  const bytes = Buffer.from("hi");
  const link = (path: string, target: string): SourcedEntry => ({
    entry: { ...file, path, type: "hardlink", size: 0, link: target },
  });
  const entries = [{ entry: file, source: { kind: "bytes", bytes } } as const, link("a", "m"), link("z", "a")];
  const outFile = join(base, "blob");
  const packed = await jobs.pack({ content: entries, outFile, sync: false, compression: "uncompressed" }, never);
  assert.deepEqual(summary(packed.index.entries), ["a file", "m hardlink a", "z hardlink a"]);
  assert.deepEqual(indexOf(readFileSync(outFile)), packed.index.entries);
});

test("digests do not depend on the number of workers, nor on what else is going on", async (t) => {
  const base = temporary(t);
  sampleTree(join(base, "tree"));
  const entries = entriesOf(join(base, "tree"));
  const digests = new Set<string>();
  for (const workers of [1, 3]) {
    const pool = openLayerJobs({ workers });
    const runs = Array.from({ length: 6 }, (_, i) =>
      pool.pack({ content: entries, outFile: join(base, `${workers}-${i}`), sync: false, compression: "gzip" }, never),
    );
    for (const { digest } of await Promise.all(runs)) digests.add(digest);
    await pool[Symbol.asyncDispose]();
  }
  assert.equal(digests.size, 1);
});

test("a file that is not what its entry says stops the job and leaves nothing", async (t) => {
  const base = temporary(t);
  writeFileSync(join(base, "f"), "four");
  const entry: Entry = { path: "f", type: "file", mode: 0o644, uid: 0, gid: 0, size: 4, mtimeNs: 0n };
  const source = { kind: "path", path: join(base, "f") } as const;
  const outFile = join(base, "blob");
  const wrong = [
    { ...entry, size: 3 },
    { ...entry, size: 5 },
    { ...entry, size: 2_000_000 },
    { ...entry, digest: digestOf("five") },
  ];
  for (const entry of wrong) {
    await assert.rejects(
      jobs.pack({ content: [{ entry, source }], outFile, sync: false, compression: "gzip" }, never),
      hasCode("CONTEXT"),
    );
    await assert.rejects(
      jobs.write(
        { entries: [{ entry, source }], directory: join(base, "d"), overlayXattrs: "user", hardlinkSources: false },
        never,
      ),
      hasCode("CONTEXT"),
    );
    assert.deepEqual(readdirSync(base), ["f"]);
  }
  const missing = { kind: "path", path: join(base, "none") } as const;
  await assert.rejects(
    jobs.pack({ content: [{ entry, source: missing }], outFile, sync: false, compression: "gzip" }, never),
    /none.*cannot be read/,
  );
});

test("directories that the tar does not list take their attributes from the layers below", needsRoot, async (t) => {
  const base = temporary(t);
  const file = (path: string): SourcedEntry => ({
    entry: { path, type: "file", mode: 0o644, uid: 0, gid: 0, size: 0, mtimeNs: 0n },
    source: { kind: "bytes", bytes: new Uint8Array(0) },
  });
  const lower: SourcedEntry = {
    entry: { path: "tmp", type: "dir", mode: 0o1777, uid: 3, gid: 4, size: 0, mtimeNs: 9_000_000_000n },
  };
  await jobs.write(
    { entries: [lower], directory: join(base, "lower"), overlayXattrs: "trusted", hardlinkSources: false },
    never,
  );
  const blobFile = join(base, "blob");
  await jobs.pack(
    { content: [file("tmp/f"), file("new/f")], outFile: blobFile, sync: false, compression: "gzip" },
    never,
  );
  const request = {
    blobFile,
    compression: "gzip",
    overlayXattrs: "trusted",
    directory: join(base, "d"),
    lowers: [join(base, "lower")],
  } as const;
  const { impliedDirectories, index } = await jobs.apply(request, never);
  assert.deepEqual(impliedDirectories, ["new", "tmp"]);
  assert.deepEqual(summary(index.entries), ["new/f file", "tmp/f file"]);
  assert.deepEqual(
    treeText(join(base, "d")).filter((line) => line.endsWith("dir")),
    ["new 755 0:0 0 dir", "tmp 1777 3:4 9000000000 dir"],
  );
});

test("a blob changes its compression and keeps its tar", async (t) => {
  const base = temporary(t);
  sampleTree(join(base, "tree"));
  const blobFile = join(base, "gzip");
  const packed = await jobs.pack(
    { content: entriesOf(join(base, "tree")), outFile: blobFile, sync: false, compression: "gzip" },
    never,
  );
  const request = {
    blobFile,
    from: "gzip",
    diffId: packed.diffId,
    to: { compression: "zstd" },
    outFile: join(base, "zstd"),
  } as const;
  const other = await jobs.transcode(request, never);
  assert.equal(other.digest, digestOf(readFileSync(join(base, "zstd"))));
  const { diffId } = await jobs.apply(
    { blobFile: join(base, "zstd"), compression: "zstd", overlayXattrs: "user" },
    never,
  );
  assert.equal(diffId, packed.diffId);
  const wrong = { ...request, diffId: digestOf("x"), outFile: join(base, "wrong") };
  await assert.rejects(jobs.transcode(wrong, never), hasCode("ARCHIVE_INVALID"));
  assert.ok(!existsSync(join(base, "wrong")));
});

test("an abort stops a job in the middle and removes what it wrote", async (t) => {
  const base = temporary(t);
  const file = join(base, "big");
  writeFileSync(file, "");
  truncateSync(file, 40 * 2 ** 30);
  const entry: Entry = { path: "big", type: "file", mode: 0o644, uid: 0, gid: 0, size: 40 * 2 ** 30, mtimeNs: 0n };
  const abort = new AbortController();
  const job = jobs.pack(
    {
      content: [{ entry, source: { kind: "path", path: file } }],
      outFile: join(base, "blob"),
      sync: false,
      compression: "gzip",
    },
    abort.signal,
  );
  const rejected = assert.rejects(job, hasCode("CANCELLED"));
  while (!existsSync(join(base, "blob"))) await sleep(5);
  abort.abort();
  await rejected;
  assert.deepEqual(readdirSync(base), ["big"]);
  await assert.rejects(
    jobs.diff({ upper: base, lowers: [], overlayXattrs: "user" }, AbortSignal.abort()),
    hasCode("CANCELLED"),
  );
});

test("a file of holes is packed and unpacked, its zeros compressed once", async (t) => {
  const base = temporary(t);
  const file = join(base, "huge");
  const size = 300 * 2 ** 20;
  const fd = openSync(file, "w");
  writeSync(fd, "start", 0);
  writeSync(fd, "end", size - 3);
  closeSync(fd);
  const entry: Entry = { path: "huge", type: "file", mode: 0o644, uid: 0, gid: 0, size, mtimeNs: 0n };
  const outFile = join(base, "blob");
  const packed = await jobs.pack(
    { content: [{ entry, source: { kind: "path", path: file } }], outFile, sync: false, compression: "zstd" },
    never,
  );
  assert.ok(packed.size < 500_000);
  assert.equal(packed.uncompressedSize, 512 + size + 1024);
  const { index } = await jobs.apply(
    { blobFile: outFile, compression: "zstd", diffId: packed.diffId, overlayXattrs: "user" },
    never,
  );
  assert.deepEqual(index.entries, packed.index.entries);
});

test("an unused pool, and one that is done, let the process end", (t) => {
  const url = new URL("../../builder/layer/jobs/pool.ts", import.meta.url).href;
  const script = `import { openLayerJobs } from ${JSON.stringify(url)};
    const jobs = openLayerJobs();
    console.log((await jobs.diff({ upper: ${JSON.stringify(temporary(t))}, lowers: [], overlayXattrs: "user" }, new AbortController().signal)).entries.length === 0);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 20_000,
  });
  assert.deepEqual([status, stdout.trim()], [0, "true"], stderr);
});

test("gzip blobs are one ordinary gzip member for gzip(1), zstd blobs for zstd(1)", async (t) => {
  const base = temporary(t);
  sampleTree(join(base, "tree"));
  const entries = entriesOf(join(base, "tree"));
  await jobs.pack({ content: entries, outFile: join(base, "plain"), sync: false, compression: "uncompressed" }, never);
  const plain = readFileSync(join(base, "plain"));
  await jobs.pack({ content: entries, outFile: join(base, "b.gz"), sync: false, compression: "gzip" }, never);
  assert.ok(gunzipSync(readFileSync(join(base, "b.gz"))).equals(plain));
  await jobs.pack(
    { content: entries, outFile: join(base, "p.gz"), sync: false, compression: "gzip", encoder: "portable" },
    never,
  );
  assert.ok(gunzipSync(readFileSync(join(base, "p.gz"))).equals(plain));
  await jobs.pack({ content: entries, outFile: join(base, "b.zst"), sync: false, compression: "zstd" }, never);
  for (const [program, file] of [
    ["gzip", "b.gz"],
    ["gzip", "p.gz"],
    ["zstd", "b.zst"],
  ] as const) {
    const run = spawnSync(program, ["-dc", file], { cwd: base, maxBuffer: 1 << 28 });
    if (run.error !== undefined) t.diagnostic(`${program} is not here`);
    else assert.ok(run.stdout.equals(plain), `${program} -dc ${file}: ${run.stderr.toString()}`);
  }
});

test("levels that a compression does not have are refused", async (t) => {
  const base = temporary(t);
  const refuse = async (options: object): Promise<void> => {
    await assert.rejects(
      jobs.pack({ content: [], outFile: join(base, "b"), sync: false, compression: "gzip", ...options }, never),
      hasCode("USAGE"),
    );
  };
  await refuse({ level: 10 });
  await refuse({ level: 1.5 });
  await refuse({ compression: "uncompressed", level: 3 });
  await refuse({ compression: "zstd", encoder: "portable" });
  assert.deepEqual(readdirSync(base), []);
});

test("a directory that stands ready is used, a file in its place is not", async (t) => {
  const base = temporary(t);
  mkdirSync(join(base, "ready"));
  await jobs.write(
    { entries: [], directory: join(base, "ready"), overlayXattrs: "user", hardlinkSources: false },
    never,
  );
  writeFileSync(join(base, "file"), "");
  await assert.rejects(
    jobs.write({ entries: [], directory: join(base, "file"), overlayXattrs: "user", hardlinkSources: false }, never),
    /EEXIST/,
  );
  renameSync(join(base, "ready"), join(base, "done"));
});
