// One block of a layer, compressed and back, in zlib's thread pool. What comes out lies in pieces of buffers that belong to
// nobody else, and whoever has used them gives them back.

import type { Transform } from "node:stream";
import { constants, createDeflateRaw, createInflateRaw, createZstdCompress, createZstdDecompress } from "node:zlib";
import type { DeflateRaw, ZstdCompress } from "node:zlib";
import { BLOCK_FORMAT } from "./block-cutter.ts";
import type { CompressionOptions } from "../jobs/jobs.ts";

/** The level where none is asked for. */
export const DEFAULT_LEVEL = { gzip: 4, zstd: 3 } as const;

/** Pieces of buffers that belong to nobody else. (The one-call functions of node:zlib copy them into one.) */
export function compressBlock(block: Buffer, options: CompressionOptions): Promise<readonly Uint8Array[]> {
  return throughStream(compressorFor(options, block.length), block);
}

/** The same the other way. */
export function decompressBlock(
  bytes: Uint8Array,
  { compression }: CompressionOptions,
): Promise<readonly Uint8Array[]> {
  const options = { chunkSize: OUTPUT_CHUNK_BYTES };
  const stream =
    compression === "zstd"
      ? createZstdDecompress(options)
      : createInflateRaw({ ...options, finishFlush: constants.Z_SYNC_FLUSH });
  return throughStream(stream, bytes);
}

function throughStream(stream: Transform & { close(): void }, input: Uint8Array): Promise<readonly Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    stream.once("error", reject);
    stream.once("end", () => {
      stream.close();
      resolve(chunks);
    });
    stream.end(input);
  });
}

function compressorFor({ compression, level }: CompressionOptions, inputBytes: number): DeflateRaw | ZstdCompress {
  if (compression === "zstd") {
    return createZstdCompress({
      chunkSize: OUTPUT_CHUNK_BYTES,
      params: {
        [constants.ZSTD_c_compressionLevel]: level ?? DEFAULT_LEVEL.zstd,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
      pledgedSrcSize: inputBytes,
    });
  }
  return createDeflateRaw({
    chunkSize: OUTPUT_CHUNK_BYTES,
    level: level ?? DEFAULT_LEVEL.gzip,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
}

/**
 * Gives the memory of a written block back without waiting for the garbage collector, which takes a buffer for the few
 * bytes it has on the heap and lets 60 MB of them pile up.
 */
export function freeAtOnce(chunks: readonly Uint8Array[]): void {
  for (const buffer of new Set(chunks.map((chunk) => chunk.buffer))) {
    if (buffer instanceof ArrayBuffer) buffer.transfer(0);
  }
}

/** Room for any block even where it does not shrink; memory that is not written to costs nothing. */
const OUTPUT_CHUNK_BYTES = BLOCK_FORMAT.mostBytes + (64 << 10);
