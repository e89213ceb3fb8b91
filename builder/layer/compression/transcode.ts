// The tar of a blob in another compression. The tar may be anybody's and is not looked
// into: blocks are cut every 1 MiB.

import { BuildError } from "../../core/errors.ts";
import { notePassed } from "../../core/bytes/passed-bytes.ts";
import { BLOCK_FORMAT } from "./block-cutter.ts";
import { BlobWriter } from "./compress.ts";
import type { CompressedBlob } from "./compress.ts";
import type { ByteSource } from "./decompress.ts";
import { decompress } from "./decompress.ts";
import type { TranscodeRequest } from "../jobs/jobs.ts";
import { readChunks } from "../tree/read-chunks.ts";
import { DEFAULT_LIMITS, UnpackGuard } from "../unpack-limits.ts";

/** Does `LayerJobs.transcode`. `check` throws when the job is to stop. */
export async function transcode(request: TranscodeRequest, check: () => void): Promise<CompressedBlob> {
  return await recompress(readChunks(request.blobFile), request, check);
}

/** The same for bytes that come from elsewhere: the file has them anew, or is not there. Throws `ARCHIVE_INVALID`. */
export async function recompress(
  source: ByteSource,
  request: Omit<TranscodeRequest, "blobFile" | "from">,
  check: () => void,
): Promise<CompressedBlob> {
  const blob = await BlobWriter.create({ ...request.to, sync: true }, request.outFile);
  const guard = new UnpackGuard(request.limits ?? DEFAULT_LIMITS);
  try {
    let [block, used] = [blob.buffer(BLOCK_BYTES), 0];
    for await (const chunk of decompress(guard.packed(source), "layer")) {
      check();
      guard.unpacked(chunk.length);
      notePassed(chunk.length);
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
    const result = await blob.finish();
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
