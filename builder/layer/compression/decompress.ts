// Decompression by content: the first bytes say what it is, as with every other reader of
// layers (media types lie). Everything streams; checksums are verified; what is cut or
// damaged ends in ARCHIVE_INVALID.

import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { BuildError } from "../../core/errors.ts";
import { invalidArchive } from "../tar/tar-format.ts";
import { unzstd } from "./unzstd.ts";

/** Bytes as they come from a file, a stream, a request. */
export type ByteSource = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** What the first bytes of a stream say it is; "plain" is everything else. */
export type SniffedFormat = "gzip" | "zstd" | "bzip2" | "xz" | "plain";

/** Bytes that `sniff` wants to see. */
export const SNIFF_BYTES = 6;

export function sniff(head: Uint8Array): SniffedFormat {
  const [a, b, c, d, e, f] = head;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd"; // a skippable frame
  if (a === 0x42 && b === 0x5a && c === 0x68) return "bzip2";
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58 && e === 0x5a && f === 0) return "xz";
  return "plain";
}

/** The bytes in the clear. A "layer" may be gzip, zstd or plain; an "archive" (of ADD) also bzip2 or xz. */
export async function* decompress(source: ByteSource, kind: "layer" | "archive"): AsyncGenerator<Uint8Array> {
  const { head, whole } = await peek(source);
  const format = sniff(head);
  switch (format) {
    case "plain":
      yield* whole;
      return;
    case "gzip":
      yield* gunzip(whole);
      return;
    case "zstd":
      yield* unzstd(whole);
      return;
    case "bzip2":
    case "xz":
      if (kind === "layer")
        throw new BuildError("UNSUPPORTED", `a layer is compressed with ${format}, which images do not know`);
      yield* await loadDecoder(format, whole);
  }
}

const OUTPUT_BYTES = 256 << 10;

/** Reads until the format can be told, and gives the bytes from the start again. */
async function peek(source: ByteSource): Promise<{ head: Uint8Array; whole: AsyncGenerator<Uint8Array> }> {
  const chunks = toGenerator(source);
  let head = Buffer.alloc(0);
  while (head.length < SNIFF_BYTES) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return { head, whole: prepend(head, chunks) };
}

async function* toGenerator(source: ByteSource): AsyncGenerator<Uint8Array> {
  yield* source;
}

async function* prepend(head: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** Both decoders are loaded on first use: few builds meet such an archive. */
async function loadDecoder(
  format: "bzip2" | "xz",
  source: AsyncGenerator<Uint8Array>,
): Promise<AsyncGenerator<Uint8Array>> {
  if (format === "xz") return (await import("./unxz.ts")).unxz(source);
  return (await import("./bunzip2.ts")).bunzip2(source);
}

async function* gunzip(source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sourceError: unknown;
  const watched = (async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  })();
  // Errors come out of the loop below; the callback only keeps them from being unhandled.
  const output = pipeline(
    Readable.from(watched, { highWaterMark: 2 }),
    createGunzip({ chunkSize: OUTPUT_BYTES }),
    () => undefined,
  );
  try {
    for await (const chunk of output) yield chunk as Uint8Array; // zlib emits buffers
  } catch (error) {
    if (sourceError !== undefined) throw sourceError instanceof Error ? sourceError : error;
    throw damaged(error);
  }
}

function damaged(error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  const isCut = text.includes("unexpected end");
  return invalidArchive(
    isCut ? "its gzip data is cut (truncated)" : `its gzip data is damaged: ${text}`,
    undefined,
    error,
  );
}
