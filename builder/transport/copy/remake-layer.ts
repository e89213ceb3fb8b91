// A layer in another form: the same tar, compressed otherwise or not at all, in a file of
// its own until it has been sent.

import { rm } from "node:fs/promises";
import type { Descriptor } from "../../core/image/descriptor.ts";
import { layerMediaType } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { notePassed } from "../../core/bytes/passed-bytes.ts";
import type { MediaFamily } from "../../image/manifest.ts";
import type { CompressionOptions } from "../../layer/jobs/jobs.ts";
import { recompress } from "../../layer/compression/transcode.ts";
import type { UnpackLimits } from "../../layer/unpack-limits.ts";
import { temporaryPath } from "../../store/temporary.ts";
import { chunksOf, openRegular } from "../file-chunks.ts";
import type { ImageSource } from "../source.ts";
import { verified } from "../write-blob.ts";

/** A layer that was made anew; disposing it removes its file. */
export interface RemadeLayer extends AsyncDisposable {
  readonly descriptor: Descriptor;
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface RemakeOptions {
  readonly to: CompressionOptions;
  readonly family: MediaFamily;
  /** Of the tar, as the image's config says; verified. */
  readonly diffId: Digest;
  readonly limits: UnpackLimits;
  readonly temporaryDirectory: string;
  /** Told of the old bytes as they are read. */
  readonly onRead: (bytes: number) => void;
}

/** Makes it. Both the old bytes' digest and the tar's are verified. Throws `DIGEST_INVALID`, `ARCHIVE_INVALID`. */
export async function remakeLayer(
  source: ImageSource,
  layer: Descriptor,
  options: RemakeOptions,
  signal: AbortSignal,
): Promise<RemadeLayer> {
  const { to, family, diffId, limits, temporaryDirectory, onRead } = options;
  const path = temporaryPath(temporaryDirectory, "layer");
  const bytes = told(verified(layer, source.blob(layer, signal), source.name), onRead);
  try {
    const made = await recompress(bytes, { diffId, to, outFile: path, limits }, () => signal.throwIfAborted());
    return {
      descriptor: { mediaType: layerMediaType(to.compression, family), digest: made.digest, size: made.size },
      async *open(innerSignal) {
        await using file = await openRegular(path);
        yield* chunksOf(file, {}, innerSignal);
      },
      [Symbol.asyncDispose]: () => rm(path, { force: true }),
    };
  } catch (error) {
    throw ofLayer(error, layer.digest, source.name);
  }
}

async function* told(chunks: AsyncIterable<Uint8Array>, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onRead(chunk.length);
    yield chunk;
    notePassed(chunk.length);
  }
}

/** An error in a layer's bytes, with the layer and the place that gave them. */
export function ofLayer(error: unknown, digest: Digest, where: string): unknown {
  if (!(error instanceof BuildError) || error.code !== "ARCHIVE_INVALID") return error;
  return new BuildError("ARCHIVE_INVALID", `${where}: layer ${digest}: ${error.message}`, {
    cause: error,
    hint: error.hint,
  });
}
