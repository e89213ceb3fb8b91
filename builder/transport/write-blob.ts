// Bytes on their way from one place to another, held against their descriptor.

import type { Descriptor } from "../core/image/descriptor.ts";
import { Digester } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { giveBack } from "../core/bytes/lent-chunks.ts";
import type { BlobStore } from "../store/store.ts";

/** Writes a blob into a store, which takes it only when digest and size are right; a failure leaves nothing. */
export async function writeBlob(
  blobs: BlobStore,
  { digest, size }: Descriptor,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  await using writer = await blobs.writer(signal);
  let current = 0;
  for await (const chunk of chunks) {
    current += chunk.length;
    if (current > size) throw tooLong(digest, size);
    await writer.write(chunk);
    giveBack(chunk);
  }
  await writer.commit({ digest, size });
}

/**
 * The bytes, of which the last chunk is held back until all are known to be right: whoever writes them out in one
 * piece never has the whole of something wrong. Throws `DIGEST_INVALID`; `name` says who gave them.
 */
export async function* verified(
  { digest, size }: Descriptor,
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  const digester = new Digester();
  let held: Uint8Array | undefined;
  for await (const chunk of chunks) {
    digester.update(chunk);
    if (digester.sizeBytes > size) throw tooLong(digest, size, name);
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (digester.sizeBytes !== size)
    throw new BuildError("DIGEST_INVALID", `${name}: ${digest} has ${digester.sizeBytes} bytes, not ${size}`);
  const found = digester.digest();
  if (found !== digest) throw new BuildError("DIGEST_INVALID", `${name}: the bytes of ${digest} have ${found}`);
  if (held !== undefined) yield held;
}

function tooLong(digest: string, size: number, name?: string): BuildError {
  const who = name === undefined ? "" : `${name}: `;
  return new BuildError("DIGEST_INVALID", `${who}more than the ${size} bytes that ${digest} has came`);
}
