// The small formats of the room: the cut into blocks, the index file, archives at the edges, the order.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import * as fc from "fast-check";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { MemberToWrite } from "../../builder/layer/tar/archive.ts";
import { writeArchive } from "../../builder/layer/tar/archive.ts";
import { BLOCK_FORMAT, endsBefore } from "../../builder/layer/compression/block-cutter.ts";
import { selfTestGzip } from "../../builder/layer/compression/self-test.ts";
import type { Entry, EntryType, SourcedEntry } from "../../builder/layer/entry.ts";
import { decodeIndex, encodeIndex } from "../../builder/layer/index-file.ts";
import type { PackRequest } from "../../builder/layer/jobs/jobs.ts";
import { comparePaths, sortEntries } from "../../builder/layer/order.ts";
import { pack } from "../../builder/layer/pack.ts";
import { readTar, temporary } from "./support.ts";

const check = (): void => undefined;

test("this Node's zlib gives the recorded bytes", () => assert.ok(selfTestGzip()));

/** 2,000 files of 100 bytes to 40 KiB, the same every time. */
function files(change?: (index: number, size: number) => number): SourcedEntry[] {
  return Array.from({ length: 2000 }, (_, i) => {
    const noise = createHash("sha256").update(`${i}`).digest();
    const size = change?.(i, 100 + (noise.readUInt32LE(0) % 40_000)) ?? 100 + (noise.readUInt32LE(0) % 40_000);
    const bytes = Buffer.alloc(size, noise.toString("hex"));
    return {
      entry: { path: `d${i % 40}/f${i}`, type: "file", mode: 0o644, uid: 0, gid: 0, size, mtimeNs: 0n },
      source: { kind: "bytes", bytes },
    };
  });
}

/** A store of blobs and the indexes of their blocks. */
class BlobStore {
  readonly indexDirectory: string;
  readonly blobsDirectory: string;
  readonly #base: string;
  readonly #inputs = new Set<string>();
  #files = 0;

  constructor(base: string) {
    this.#base = base;
    this.indexDirectory = join(base, "blocks");
    this.blobsDirectory = join(base, "blobs");
    mkdirSync(this.blobsDirectory);
  }

  async pack(content: readonly SourcedEntry[], more: Partial<PackRequest> = {}): Promise<Digest> {
    const outFile = join(this.#base, `${++this.#files}`);
    const storedBlocks = {
      indexDirectory: this.indexDirectory,
      blobsDirectory: this.blobsDirectory,
      temporaryFile: outFile,
    };
    const request: PackRequest = { content, outFile, sync: false, compression: "gzip", storedBlocks, ...more };
    const { digest } = await pack(request, check);
    const path = this.blob(digest);
    renameSync(outFile, path);
    return digest;
  }

  /** Blocks of a blob whose input no earlier one had. */
  newBlocks(digest: Digest): number {
    const inputs = this.index(digest).map((line) => line.split(" ")[0] ?? "");
    const fresh = inputs.filter((input) => !this.#inputs.has(input));
    for (const input of inputs) this.#inputs.add(input);
    return fresh.length;
  }

  index(digest: Digest): string[] {
    return readFileSync(join(this.indexDirectory, digest.slice(7)), "latin1")
      .split("\n")
      .slice(1, -1)
      .filter((line) => !line.startsWith("run "));
  }

  blob(digest: Digest): string {
    return join(this.blobsDirectory, digest.slice(7));
  }
}

test("one changed file changes one or two blocks; the rest comes from the blobs before, with the same bytes", async (t) => {
  const base = temporary(t);
  const store = new BlobStore(base);
  const run = async (entries: readonly SourcedEntry[]): Promise<number> => {
    const digest = await store.pack(entries);
    const fresh = await pack(
      { content: entries, sync: false, compression: "gzip", outFile: join(base, "fresh") },
      check,
    );
    assert.equal(digest, fresh.digest);
    assert.equal(digestOf(readFileSync(store.blob(digest))), digest);
    return store.newBlocks(digest);
  };
  const all = await run(files());
  assert.ok(all >= 20 && all <= 120, `${all} blocks`);
  for (const [index, grow] of [
    [3, 5000],
    [700, 40_000],
    [1500, -90],
    [1999, 1],
  ] as const) {
    const misses = await run(files((i, size) => (i === index ? Math.max(1, size + grow) : size)));
    assert.ok(misses >= 1 && misses <= 3, `${misses} blocks changed with file ${index}`);
  }
  assert.ok((await run(files().filter((_, i) => i !== 1000))) <= 3);
  assert.equal(await run(files()), 0);
});

test("blocks are taken from a blob only while they are what they were, and for the same compression", async (t) => {
  const store = new BlobStore(temporary(t));
  const few = files().slice(0, 300);
  const honest = await store.pack(few);
  const [first = ""] = store.index(honest);
  const [input = "", offset = "", length = "", output = ""] = first.split(" ");
  const bytes = readFileSync(store.blob(honest));
  bytes[Number(offset) + 5] = 1 ^ (bytes[Number(offset) + 5] ?? 0);
  writeFileSync(store.blob(honest), bytes);
  assert.equal(await store.pack(few), honest, "a damaged block is compressed again");

  // With an index that says so, the damaged bytes are taken: so blocks do come from there.
  bytes[Number(offset) + 5] = 2 ^ (bytes[Number(offset) + 5] ?? 0);
  const forged = digestOf(bytes.subarray(Number(offset), Number(offset) + Number(length))).slice(7);
  const index = join(store.indexDirectory, honest.slice(7));
  const text = readFileSync(index, "latin1");
  writeFileSync(store.blob(honest), bytes);
  writeFileSync(index, text.replace(first, `${input} ${offset} ${length} ${forged}`));
  assert.notEqual(await store.pack(few), honest);
  assert.notEqual(output, forged);

  for (const change of [
    "",
    "nonsense\n",
    text.replace(/gzip/, "zstd"),
    text.replaceAll(/^(\w+) \d+/gm, "$1 999999999"),
  ]) {
    for (const name of readdirSync(store.indexDirectory)) writeFileSync(join(store.indexDirectory, name), change);
    assert.equal(await store.pack(few), honest);
  }
  const other = new BlobStore(temporary(t));
  assert.equal(await store.pack(few, { level: 1 }), await other.pack(few, { level: 1 }));
  rmSync(store.blobsDirectory, { recursive: true });
  mkdirSync(store.blobsDirectory);
  assert.equal(await store.pack(few), honest, "where the blobs are gone");
});

test("blocks of entries that are as they were are taken without reading a file, and only while they hold what they should", async (t) => {
  const store = new BlobStore(temporary(t));
  for (const compression of ["gzip", "zstd"] as const) {
    const all = [...files().slice(0, 300), large(900_000), large(3 << 20)].map((item) => ({
      ...item,
      entry: { ...item.entry, digest: digestOf(bytesOf(item)) },
    }));
    const unread = all.map(({ entry }) => ({ entry }));
    const honest = await store.pack(all, { compression });
    assert.equal(await store.pack(unread, { compression }), honest);
    await assert.rejects(store.pack(unread.slice(1), { compression }), /nothing says where the content/);
    await assert.rejects(store.pack(unread, { compression, keepNanoseconds: true }), /nothing says where the content/);

    const lines = readFileSync(join(store.indexDirectory, honest.slice(7)), "latin1");
    const [first = "", second = ""] = store.index(honest);
    // The place of one block and the input of another: bytes that are whole, but of something else.
    const forged = `${first.split(" ")[0]} ${second.split(" ").slice(1).join(" ")}`;
    writeFileSync(join(store.indexDirectory, honest.slice(7)), lines.replace(first, forged));
    await assert.rejects(store.pack(unread, { compression }), /nothing says where the content/);
    assert.equal(await store.pack(all, { compression }), honest);
  }
});

/** A file of noise. */
function large(size: number): SourcedEntry {
  const bytes = createHash("shake256", { outputLength: size }).update(String(size)).digest();
  const entry: Entry = { path: `z${size}`, type: "file", mode: 0o644, uid: 0, gid: 0, size, mtimeNs: 1n };
  return { entry, source: { kind: "bytes", bytes } };
}

function bytesOf({ source }: SourcedEntry): Uint8Array {
  assert.equal(source?.kind, "bytes");
  return source.bytes;
}

test("the rule of the cut is part of the format", () => {
  const cuts = Array.from({ length: 5000 }, (_, i) =>
    endsBefore(BLOCK_FORMAT.leastBytes, `usr/lib/node_modules/m${i}/index.js`, 5632, 5120),
  );
  // A change here changes the digest of every layer: see BLOCK_FORMAT.
  assert.equal(
    digestOf(cuts.map(Number).join("")),
    "sha256:e4e335730daed45f57997bca640872a2aa43e123f1b2412f9206eebd7fc59a1f",
  );
  assert.equal(endsBefore(0, "a", 5 << 20, 5 << 20), false);
  assert.equal(endsBefore(1, "a", 5 << 20, 5 << 20), true);
  assert.equal(endsBefore(BLOCK_FORMAT.mostBytes - 1, "a", 1024, 100), true);
});

const text = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 30 })
  .map((bytes) => Buffer.from(bytes).toString("latin1"));
const entries = fc.record(
  {
    path: text,
    type: fc.constantFrom<EntryType>(
      "file",
      "dir",
      "symlink",
      "hardlink",
      "char",
      "block",
      "fifo",
      "whiteout",
      "opaque",
    ),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.nat(),
    gid: fc.nat(),
    size: fc.maxSafeNat(),
    mtimeNs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    link: text,
    lowerNames: fc.array(text, { minLength: 1, maxLength: 3 }),
    major: fc.nat(4095),
    minor: fc.nat(1048575),
    xattrs: fc
      .dictionary(fc.stringMatching(/^[a-zé.\t]{1,9}$/u), fc.uint8Array({ maxLength: 20 }), { minKeys: 1, maxKeys: 3 })
      .map((values) => ({ ...values })),
    digest: fc.string().map((value) => digestOf(value)),
  },
  { requiredKeys: ["path", "type", "mode", "uid", "gid", "size", "mtimeNs"] },
);

test("an index file gives back what went in", () => {
  fc.assert(
    fc.property(fc.array(entries, { maxLength: 10 }), (list) => {
      const wanted = list.map((entry) =>
        entry.major === undefined && entry.minor === undefined
          ? { ...entry }
          : { ...entry, major: entry.major ?? 0, minor: entry.minor ?? 0 },
      );
      assert.deepEqual(decodeIndex(encodeIndex(list as Entry[])), wanted);
    }),
  );
});

test("a damaged index file is no index, never a wrong one", () => {
  const bytes = Buffer.from(
    encodeIndex(
      files()
        .slice(0, 20)
        .map(({ entry }) => entry),
    ),
  );
  assert.equal(decodeIndex(bytes.subarray(0, -1)), undefined);
  assert.equal(decodeIndex(bytes.subarray(0, bytes.lastIndexOf(0x0a, -2) + 1)), undefined);
  assert.equal(decodeIndex(Buffer.from(bytes.toString("latin1").replace(" 1 ", " 2 "), "latin1")), undefined);
  assert.equal(decodeIndex(Buffer.from(bytes.toString("latin1").replace("\t644\t", "\t9\t"), "latin1")), undefined);
  assert.equal(decodeIndex(Buffer.alloc(0)), undefined);
});

test("20,000 entries are read quickly", (t) => {
  const list = Array.from({ length: 10 }, (_, i) =>
    files().map(({ entry }) => ({ ...entry, path: `${i}/${entry.path}`, digest: digestOf(entry.path) })),
  ).flat();
  const bytes = encodeIndex(list);
  decodeIndex(bytes);
  const start = performance.now();
  assert.equal(decodeIndex(bytes)?.length, 20_000);
  const ms = performance.now() - start;
  t.diagnostic(`${ms.toFixed(0)} ms, ${bytes.length} bytes`);
  assert.ok(ms < 5000); // some 40 on an idle machine
});

test("paths sort part by part, so that a directory is followed by what it holds", () => {
  const sorted = ["a", "a/b", "a/b/c", "a/z", "a-b", "a.b", "ab", "b"];
  assert.deepEqual([...sorted].reverse().sort(comparePaths), sorted);
});

test("a hard link without its file is our own mistake", () => {
  const entry: Entry = { path: "a", type: "hardlink", link: "b", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
  assert.throws(() => sortEntries([{ entry }]), /has no target/);
  assert.throws(() => sortEntries([{ entry }, { entry: { ...entry, path: "b", link: "a" } }]), /has no target/);
});

test("archives at the edges are written as a stream, and only with content of the size they name", async () => {
  const content = (function* (): Generator<Uint8Array> {
    yield Buffer.from("first ");
    yield Buffer.from("second");
  })();
  const list: MemberToWrite[] = [
    { name: "blobs/", type: "dir", mode: 0o755, size: 0 },
    { name: "blobs/a", type: "file", mode: 0o644, size: 12, content },
    { name: "b", type: "file", mode: 0o644, size: 1, content: [Buffer.from("x")] },
  ];
  const bytes: Uint8Array[] = [];
  for await (const chunk of writeArchive(list)) bytes.push(chunk);
  const whole = Buffer.concat(bytes);
  const expected = [
    ["blobs/", "dir", ""],
    ["blobs/a", "file", "first second"],
    ["b", "file", "x"],
  ];
  assert.deepEqual(
    readTar(whole).map(({ header, content }) => [header.name, header.type, content.toString()]),
    expected,
  );
  await assert.rejects(async () => {
    for await (const _chunk of writeArchive([
      { name: "f", type: "file", mode: 0o644, size: 2, content: [Buffer.from("x")] },
    ]));
  }, /1 bytes where 2/);
});

test("content is closed when the reader of a written archive stops early", async () => {
  let isClosed = false;
  const content = (async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < 100; at++) yield Buffer.alloc(1 << 16);
    } finally {
      isClosed = true;
    }
  })();
  const size = 100 * (1 << 16);
  for await (const _chunk of writeArchive([{ name: "a", type: "file", mode: 0o644, size, content }])) break;
  for (let wait = 0; wait < 100 && !isClosed; wait++) await setTimeout(10);
  assert.ok(isClosed);
});
