// Cache mounts as they travel: cut into chunks, and made again from them, whoever wrote the list.

import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { mountsTag } from "../../builder/cache/mounts/artifact.ts";
import { CHUNK_BYTES, firstChunk } from "../../builder/cache/mounts/cutter.ts";
import type { ChunkBlob } from "../../builder/cache/mounts/listing.ts";
import { readListing } from "../../builder/cache/mounts/listing.ts";
import { packMount, unpackMount } from "../../builder/cache/mounts/thread.ts";
import type { PackedMount } from "../../builder/cache/mounts/thread-messages.ts";
import { writeMount } from "../../builder/cache/mounts/write-mount.ts";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { lgetxattr, lsetxattr } from "../../builder/core/system/syscall.ts";
import { removeTree } from "../../builder/core/system/remove-tree.ts";
import { DEFAULT_LIMITS } from "../../builder/layer/unpack-limits.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-mount-"));
after(() => removeTree(folder));
const signal = new AbortController().signal;

let directories = 0;
function directory(): string {
  const path = join(folder, String(directories++));
  mkdirSync(path);
  return path;
}

/** Where blobs are, and which were put there. */
class Place {
  readonly blobs = new Map<Digest, Uint8Array>();
  readonly fetched: Digest[] = [];

  async put(blob: ChunkBlob, bytes: Uint8Array): Promise<void> {
    assert.equal(digestOf(bytes), blob.digest);
    assert.equal(this.blobs.has(blob.digest), false, "a chunk that is there was sent again");
    this.blobs.set(blob.digest, bytes);
  }

  async get({ digest }: ChunkBlob): Promise<Uint8Array> {
    this.fetched.push(digest);
    return this.blobs.get(digest) ?? assert.fail(`${digest} is not there`);
  }

  async pack(path: string, earlier?: Uint8Array, strings: readonly Uint8Array[] = []): Promise<PackedMount> {
    const refuse = (): BuildError => new BuildError("SECRET_IN_RESULT", "found");
    return await packMount({ directory: path, earlier, strings }, (...all) => this.put(...all), refuse, signal);
  }

  async unpack(listing: Uint8Array, path: string, base?: string): Promise<void> {
    const request = { listing, directory: path, base, what: "it", limits: DEFAULT_LIMITS };
    await unpackMount(request, async () => {}, (blob) => this.get(blob), signal); // prettier-ignore
  }
}

function bytes(length: number, seed: number): Buffer {
  const made = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at + 4 <= length; at += 4)
    made.writeInt32LE((state = (Math.imul(state, 1664525) + 1013904223) | 0), at);
  return made;
}

/** All that a mount is to keep, as text. */
function textOf(root: string, at = ""): string[] {
  const path = Buffer.from(join(root, at), "latin1");
  const stat = lstatSync(path, { bigint: true });
  const attribute = lgetxattr(join(root, at), "user.kept");
  const facts = [at, stat.mode.toString(8), stat.uid, stat.gid, stat.mtimeNs, attribute === undefined ? "" : Buffer.from(attribute).toString()]; // prettier-ignore
  const content = stat.isFile() ? [digestOf(readFileSync(path)), stat.nlink] : [];
  const below = stat.isDirectory()
    ? readdirSync(path, { encoding: "latin1" })
        .sort()
        .flatMap((name) => textOf(root, join(at, name)))
    : [];
  return [[...facts, ...content].join(" "), ...below];
}

suite("chunks", () => {
  test("cuts depend on the bytes around them: what is put in moves few", () => {
    const cut = (stream: Buffer): Set<string> => {
      const found = new Set<string>();
      for (let at = 0; at < stream.length;) {
        const length = firstChunk(stream, at, stream.length);
        assert.ok(length <= CHUNK_BYTES.most);
        found.add(digestOf(stream.subarray(at, at + length)));
        at += length;
      }
      return found;
    };
    const stream = bytes(8 << 20, 7);
    const before = cut(stream);
    assert.ok(before.size >= 4 && before.size <= 20, `${before.size} chunks of 8 MiB`);
    const run = fc.property(
      fc.integer({ min: 0, max: stream.length }),
      fc.integer({ min: 1, max: 5000 }),
      (at, length) => {
        const now = cut(Buffer.concat([stream.subarray(0, at), bytes(length, at + 1), stream.subarray(at)]));
        const fresh = [...now].filter((digest) => !before.has(digest)).length;
        assert.ok(fresh <= 4, `${fresh} chunks are new`);
      },
    );
    fc.assert(run, { numRuns: 3, seed: 1 });
  });

  test("a mount is the same after its way, but for what listened in it", async () => {
    const from = directory();
    mkdirSync(join(from, "d/closed"), { recursive: true });
    writeFileSync(join(from, "d/large"), bytes(5 << 20, 1));
    writeFileSync(join(from, "d/again"), bytes(5 << 20, 1));
    writeFileSync(join(from, "d/empty"), "");
    writeFileSync(Buffer.from(`${from}/d/\xff\xfe`, "latin1"), "not text");
    linkSync(join(from, "d/again"), join(from, "other-name"));
    symlinkSync("../../../../etc/passwd", join(from, "link"));
    writeFileSync(join(from, "d/closed/program"), "x", { mode: 0o755 });
    chmodSync(join(from, "d/closed/program"), 0o4711);
    lsetxattr(join(from, "d/large"), "user.kept", Buffer.from("yes"));
    utimesSync(join(from, "d/large"), 1, 1234567.891);
    chmodSync(join(from, "d/closed"), 0o500);
    utimesSync(from, 5, 5);
    const server = createServer().listen(join(from, "socket"));
    await once(server, "listening");
    utimesSync(from, 5, 5);
    const place = new Place();
    const packed = await place.pack(from);
    server.close();
    utimesSync(from, 5, 5);
    assert.equal(packed.sizeBytes, (10 << 20) + 9);
    const stored = [...place.blobs.values()].reduce((sum, blob) => sum + blob.length, 0);
    assert.ok(stored < 6 << 20, "equal chunks are stored once");
    const to = directory();
    await place.unpack(packed.listing, to);
    assert.deepEqual(textOf(to), textOf(from));
    assert.equal(new Set(place.fetched).size, place.fetched.length, "each chunk is fetched once");
    assert.deepEqual(Buffer.from((await place.pack(to, packed.listing)).listing), Buffer.from(packed.listing));
  });

  test("only what changed moves: there, and back to where the rest is", async () => {
    const from = directory();
    for (let file = 0; file < 200; file++) writeFileSync(join(from, `${file}`), bytes(60_000, file + 1));
    const place = new Place();
    const first = await place.pack(from);
    const there = directory();
    await place.unpack(first.listing, there);
    const before = new Set(place.blobs.keys());
    writeFileSync(join(from, "77"), bytes(61_234, 999));
    rmSync(join(from, "150"));
    const second = await place.pack(from, first.listing);
    const fresh = [...place.blobs.keys()].filter((digest) => !before.has(digest));
    assert.ok(before.size >= 6 && fresh.length >= 1 && fresh.length <= 4, `${fresh.length} of ${before.size}`);
    place.fetched.length = 0;
    const to = directory();
    await place.unpack(second.listing, to, there);
    assert.deepEqual(place.fetched.toSorted(), fresh.toSorted());
    utimesSync(to, 5, 5);
    utimesSync(from, 5, 5);
    assert.deepEqual(textOf(to), textOf(from));
  });

  test("nothing of a mount with a secret in it leaves, wherever the secret stands", async () => {
    const secret = Buffer.from("a-secret-of-a-test");
    const places: readonly ((path: string) => void)[] = [
      (path) => writeFileSync(join(path, "z"), Buffer.concat([bytes(6 << 20, 3), secret])),
      (path) => writeFileSync(join(path, `n-${secret.toString()}`), ""),
    ];
    for (const put of places) {
      const from = directory();
      writeFileSync(join(from, "a"), bytes(6 << 20, 2));
      const place = new Place();
      put(from);
      await assert.rejects(place.pack(from, undefined, [secret]), { code: "SECRET_IN_RESULT" });
      assert.equal(place.blobs.size, 0);
    }
  });

  test("a chunk that is not what its list says leaves no directory behind that is taken for the mount", async () => {
    const from = directory();
    writeFileSync(join(from, "a"), bytes(2 << 20, 5));
    const place = new Place();
    const { listing } = await place.pack(from);
    const [first = assert.fail()] = place.blobs.keys();
    const real = place.blobs.get(first) ?? assert.fail();
    for (const lie of [
      Buffer.from("other"),
      Buffer.concat([real, Buffer.of(0)]),
      zstdCompressSync(Buffer.alloc(64 << 20)),
    ]) {
      const next = async (): Promise<Uint8Array> => lie;
      await assert.rejects(writeMount(readListing(listing, DEFAULT_LIMITS, "it"), directory(), new Map(), next), {
        code: "DIGEST_INVALID",
      });
    }
  });
});

suite("hostile lists", () => {
  interface Doc {
    chunks: Record<string, unknown>[];
    files: Record<string, unknown>[];
  }
  const dir = { mode: 0o755, uid: 0, gid: 0, mtime: "0", type: "dir" };
  const root = { ...dir, path: "" };
  const file = (path: string, size = 0): Record<string, unknown> => ({ ...dir, type: "file", path, size });
  const blob = { digest: digestOf("packed"), size: 100 };
  const chunk = (size: number): Record<string, unknown> => ({ digest: digestOf("plain"), size, blob });
  const read = (doc: unknown): void =>
    void readListing(zstdCompressSync(Buffer.from(JSON.stringify(doc))), { maxBytes: 6 << 20, maxRatio: 500 }, "it");

  test("a right one is read", () => {
    read({ chunks: [chunk(7)], files: [root, { ...dir, path: "d" }, file("d/f", 7), { ...file("d/g"), type: "hardlink", link: "d/f" }] }); // prettier-ignore
  });

  const lies: Readonly<Record<string, Partial<Doc>>> = {
    "a path that leads up": { files: [root, file("../f")] },
    "a path that leads up further down": { files: [root, { ...dir, path: "d" }, file("d/../../f")] },
    "an absolute path": { files: [root, file("/etc/f")] },
    "a path with an empty part": { files: [root, { ...dir, path: "d" }, file("d//f")] },
    "a path with a byte 0": { files: [root, file("a\0b")] },
    "a character that is no byte": { files: [root, file("\u0100")] },
    "a file below a link": { files: [root, { ...dir, type: "symlink", path: "d", link: "/etc" }, file("d/f")] },
    "a file below a file": { files: [root, file("d"), file("d/f")] },
    "a file whose directory is missing": { files: [root, file("d/f")] },
    "a name twice": { files: [root, file("f"), file("f")] },
    "names out of order": { files: [root, file("b"), file("a")] },
    "no root": { files: [file("f")] },
    "a root that is a link": { files: [{ ...dir, type: "symlink", path: "", link: "/etc" }] },
    "a device": { files: [root, { ...file("f"), type: "char", major: 1, minor: 3 }] },
    "a pipe": { files: [root, { ...file("f"), type: "fifo" }] },
    "a whiteout": { files: [root, { ...file("f"), type: "whiteout" }] },
    "a hard link that leads out": { files: [root, { ...file("f"), type: "hardlink", link: "../../etc/passwd" }] },
    "a hard link to a link": { files: [root, { ...dir, type: "symlink", path: "a", link: "/etc/passwd" }, { ...file("f"), type: "hardlink", link: "a" }] }, // prettier-ignore
    "a hard link to what comes later": { files: [root, { ...file("a"), type: "hardlink", link: "b" }, file("b")] },
    "a file that is larger than its chunks": { chunks: [chunk(7)], files: [root, file("f", 8)] },
    "a file that is smaller than its chunks": { chunks: [chunk(7)], files: [root, file("f", 6)] },
    "a directory with a size": { chunks: [chunk(7)], files: [root, { ...dir, path: "d", size: 7 }] },
    "a size below 0": { files: [root, file("f", -1)] },
    "a chunk that is too large": { chunks: [chunk(5 << 20)], files: [root, file("f", 5 << 20)] },
    "a chunk of nothing": { chunks: [chunk(0)], files: [root] },
    "a bomb": {
      chunks: [chunk(4 << 20)],
      files: [root, file("f", 4 << 20)],
    },
    "more than the limit": { chunks: [chunk(4 << 20), chunk(4 << 20)], files: [root, file("f", 8 << 20)] },
    "an owner that nobody can be": { files: [root, { ...file("f"), uid: 2 ** 32 }] },
    "a mode with a type in it": { files: [root, { ...file("f"), mode: 0o20644 }] },
    "an attribute of the overlay": { files: [root, { ...file("f"), xattrs: { "trusted.overlay.opaque": "eQ==" } }] },
    "an attribute of a user's overlay": { files: [root, { ...file("f"), xattrs: { "user.overlay.opaque": "eQ==" } }] },
    "a digest of another kind": { chunks: [{ ...chunk(7), digest: "md5:1" }], files: [root, file("f", 7)] },
  };
  for (const [what, lie] of Object.entries(lies))
    test(`${what} is refused`, () =>
      assert.throws(() => read({ chunks: [], files: [root], ...lie }), { code: "ARCHIVE_INVALID" }));

  test("what is no list is refused", () => {
    const right = zstdCompressSync(Buffer.from("[]"));
    for (const other of [Buffer.from("no"), right, right.subarray(0, 5), zstdCompressSync(Buffer.from([0xff]))])
      assert.throws(() => readListing(other, DEFAULT_LIMITS, "it"), { code: "ARCHIVE_INVALID" });
    assert.equal(zstdDecompressSync(right).toString(), "[]");
  });
});

test("the artifact's tag is the cache's with .mounts, as long as a tag may be that long", () => {
  assert.equal(mountsTag("c"), "c.mounts");
  assert.match(mountsTag("c".repeat(128)), /^mounts-[0-9a-f]{64}$/);
});
