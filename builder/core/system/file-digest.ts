// The digest of a file, whatever its size.

import { createReadStream } from "node:fs";
import type { Digest } from "../digest.ts";
import { Digester } from "../digest.ts";

const CHUNK_BYTES = 1 << 20;

/** What a file's bytes have, and how many there are. Throws what the operating system says. */
export async function digestOfFile(
  path: string | Buffer,
  signal?: AbortSignal,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const digester = new Digester();
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, signal }))
    digester.update(chunk as Buffer); // a stream without an encoding gives nothing else
  return { digest: digester.digest(), size: digester.sizeBytes };
}
