// A layer's bytes on their way, unpacked beside it to see that they are the tar that the
// image's config names. Nobody gets the last of them before that is known.

import { PassThrough } from "node:stream";
import type { Descriptor } from "../../core/image/descriptor.ts";
import type { Digest } from "../../core/digest.ts";
import { Digester } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { keepChunk } from "../../core/bytes/lent-chunks.ts";
import { notePassed } from "../../core/bytes/passed-bytes.ts";
import { decompress } from "../../layer/compression/decompress.ts";
import type { UnpackLimits } from "../../layer/unpack-limits.ts";
import { UnpackGuard } from "../../layer/unpack-limits.ts";
import { ofLayer } from "./remake-layer.ts";

/** A chunk of a source's. Several layers are on their way at once. */
const WAITING_BYTES = 1 << 20;

/** Passes the chunks on. Throws `ARCHIVE_INVALID` for a tar with another digest, damaged compression, or a bomb. */
export async function* unpackedBeside(
  chunks: AsyncIterable<Uint8Array>,
  layer: Descriptor,
  diffId: Digest,
  limits: UnpackLimits,
  where: string,
): AsyncGenerator<Uint8Array> {
  const aside = new PassThrough({ highWaterMark: WAITING_BYTES });
  const digester = new Digester();
  let failure: Error | undefined;
  let isDone = false;
  const unpacking = unpack(aside, digester, limits)
    .catch((error: unknown) => {
      failure = error instanceof Error ? error : new BuildError("INTERNAL", String(error));
    })
    .finally(() => (isDone = true));
  let held: Uint8Array | undefined;
  try {
    for await (const chunk of chunks) {
      if (failure !== undefined) throw failure;
      // What follows the end of the compressed data is nobody's.
      keepChunk(chunk);
      if (!isDone && !aside.write(chunk)) await Promise.race([unpacking, drained(aside)]);
      if (held !== undefined) yield held;
      held = chunk;
    }
    aside.end();
    await unpacking;
    if (failure !== undefined) throw failure;
    const found = digester.digest();
    if (found !== diffId)
      throw new BuildError("ARCHIVE_INVALID", `it unpacks to ${found}, the image's config says ${diffId}`);
  } catch (error) {
    throw ofLayer(failure ?? error, layer.digest, where);
  } finally {
    aside.destroy();
  }
  if (held !== undefined) yield held;
}

async function unpack(chunks: AsyncIterable<Uint8Array>, digester: Digester, limits: UnpackLimits): Promise<void> {
  const guard = new UnpackGuard(limits);
  for await (const chunk of decompress(guard.packed(chunks), "layer")) {
    guard.unpacked(chunk.length);
    digester.update(chunk);
    notePassed(chunk.length);
  }
}

async function drained(stream: PassThrough): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
