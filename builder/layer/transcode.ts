// The tar of a blob in another compression. The tar may be anybody's and is not looked
// into: blocks are cut every 1 MiB.

import { BuildError } from "../core/errors.ts";
import { BLOCK_FORMAT } from "./block-cutter.ts";
import { BlobWriter } from "./compress.ts";
import type { CompressedBlob } from "./compress.ts";
import { decompress } from "./decompress.ts";
import type { TranscodeRequest } from "./jobs.ts";
import { readChunks } from "./read-chunks.ts";

/** Does `LayerJobs.transcode`. `check` throws when the job is to stop. */
export async function transcode(request: TranscodeRequest, check: () => void): Promise<CompressedBlob> {
  const blob = await BlobWriter.create(request.to, request.outFile);
  try {
    let [block, used] = [blob.buffer(BLOCK_BYTES), 0];
    for await (const chunk of decompress(readChunks(request.blobFile), "layer")) {
      check();
      for (let at = 0; at < chunk.length;) {
        const taken = Math.min(BLOCK_BYTES - used, chunk.length - at);
        block.set(chunk.subarray(at, at + taken), used);
        used += taken;
        at += taken;
        if (used < BLOCK_BYTES) continue;
        await blob.write(block, used);
        [block, used] = [blob.buffer(BLOCK_BYTES), 0];
      }
    }
    if (used > 0) await blob.write(block, used);
    const result = await blob.finish(true);
    if (result.diffId === request.diffId) return result;
    throw new BuildError(
      "ARCHIVE_INVALID",
      `a layer is not what its image says: ${request.diffId} expected, ${result.diffId} found`,
    );
  } catch (error) {
    blob.abandon();
    throw error;
  }
}

const BLOCK_BYTES = BLOCK_FORMAT.largeFileBytes;
