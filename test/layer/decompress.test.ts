import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { test } from "node:test";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { BuildError } from "../../builder/core/errors.ts";
import { decompress, sniff } from "../../builder/layer/compression/decompress.ts";

/** Text and noise, so that blocks of every kind come up. */
const plain = Buffer.concat([
  Buffer.alloc(900_000, "some text that repeats "),
  randomFillSync(Buffer.alloc(300_000)),
  Buffer.alloc(500_000),
]);

function through(program: string, ...args: string[]): Buffer | undefined {
  const run = spawnSync(program, args, { input: plain, maxBuffer: 1 << 26 });
  return run.error === undefined && run.status === 0 ? run.stdout : undefined;
}

async function read(bytes: Uint8Array, pieceBytes = 1 << 16, kind: "layer" | "archive" = "archive"): Promise<Buffer> {
  const pieces = (function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  })();
  const out: Uint8Array[] = [];
  for await (const chunk of decompress(pieces, kind)) out.push(Uint8Array.from(chunk));
  return Buffer.concat(out);
}

const zstdWith = (level: number, checksum: 0 | 1): Buffer =>
  zstdCompressSync(plain, {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: checksum },
  });
const half = plain.length >> 1;
const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

/** name → bytes, or undefined where the program that makes them is not here. */
const samples: Record<string, Buffer | undefined> = {
  plain,
  gzip: gzipSync(plain),
  "gzip, several members": Buffer.concat([gzipSync(plain.subarray(0, half)), gzipSync(plain.subarray(half))]),
  "gzip padded with zeros": Buffer.concat([gzipSync(plain), Buffer.alloc(700)]),
  zstd: zstdWith(3, 0),
  "zstd with checksum": zstdWith(19, 1),
  "zstd, several frames": Buffer.concat([
    skippable,
    zstdCompressSync(plain.subarray(0, half)),
    skippable,
    zstdCompressSync(plain.subarray(half)),
    skippable,
  ]),
  "zstd(1) of a stream": through("zstd", "-c"),
  "zstd(1) without a content size": through("zstd", "-c", "--no-content-size"),
  bzip2: through("bzip2", "-c"),
  xz: through("xz", "-c"),
  "xz with SHA-256": through("xz", "-c", "--check=sha256"),
  "xz in blocks": through("xz", "-c", "--block-size=200KiB", "-T2"),
  "xz without check": through("xz", "-c", "--check=none"),
};
if (samples["xz"] !== undefined)
  samples["xz, several streams"] = Buffer.concat([samples["xz"].subarray(0, 0), ...streams("xz")]);
if (samples["bzip2"] !== undefined) samples["bzip2, several streams"] = Buffer.concat(streams("bzip2"));

function streams(program: string): Buffer[] {
  return [plain.subarray(0, half), plain.subarray(half)].map(
    (input) => spawnSync(program, ["-c"], { input, maxBuffer: 1 << 26 }).stdout,
  );
}

for (const [name, bytes] of Object.entries(samples)) {
  const options = { skip: bytes === undefined ? "the program that makes it is not here" : false };
  test(`read whole, however it is cut: ${name}`, options, async () => {
    assert.ok(bytes !== undefined);
    for (const pieceBytes of name.startsWith("bzip2") ? [1 << 16] : [1 << 22, 1 << 16, 1009]) {
      assert.ok((await read(bytes, pieceBytes)).equals(plain), `pieces of ${pieceBytes}`);
    }
  });
  if (name === "plain" || name === "xz without check") continue;
  test(`cut or damaged is refused: ${name}`, options, async () => {
    assert.ok(bytes !== undefined);
    const isInvalid = (error: unknown): boolean => {
      assert.ok(error instanceof BuildError, String(error));
      return error.code === "ARCHIVE_INVALID";
    };
    const data =
      name === "gzip padded with zeros"
        ? bytes.subarray(0, -700)
        : name.includes("several frames")
          ? bytes.subarray(0, -skippable.length)
          : bytes;
    for (const length of [data.length - 1, data.length - 9, data.length >> 1, 20]) {
      await assert.rejects(read(data.subarray(0, length)), isInvalid, `cut to ${length} of ${data.length}`);
    }
    if (name === "zstd" || name.startsWith("zstd, several")) return; // no checksum: damage may show as other bytes
    const damaged = Buffer.from(data);
    damaged[data.length >> 1] = (damaged[data.length >> 1] ?? 0) ^ 0x10;
    await assert.rejects(read(damaged), isInvalid);
  });
}

test("a layer may not be xz or bzip2", async () => {
  const xz = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]);
  await assert.rejects(read(xz, 8, "layer"), (error) => error instanceof BuildError && error.code === "UNSUPPORTED");
});

test("what is shorter than any magic number is plain", async () => {
  for (const bytes of [[], [0x1f], [0x42, 0x5a]]) {
    assert.equal(sniff(Uint8Array.from(bytes)), "plain");
    assert.deepEqual([...(await read(Uint8Array.from(bytes)))], bytes);
  }
});

test("an error of the source comes out as it is", async () => {
  const source = (function* (): Generator<Uint8Array> {
    yield gzipSync(plain).subarray(0, 5000);
    throw new BuildError("REGISTRY", "gone");
  })();
  await assert.rejects(async () => {
    for await (const _chunk of decompress(source, "layer"));
  }, /gone/);
});

test("a reader that stops early closes the source", async () => {
  for (const bytes of [gzipSync(plain), zstdWith(3, 1), plain]) {
    let isClosed = false;
    const source = (function* (): Generator<Uint8Array> {
      try {
        for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
      } finally {
        isClosed = true;
      }
    })();
    for await (const _chunk of decompress(source, "layer")) break;
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(isClosed);
  }
});
