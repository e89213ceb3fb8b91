// A layer's blob as the tar it is, without the engine.

import { gunzipSync, zstdDecompressSync } from "node:zlib";

/** Tells gzip, zstd and plain apart by their first bytes. Both may have several members or frames. */
export function decompress(blob: Buffer): Buffer {
  if (blob.readUInt16BE() === 0x1f8b) return gunzipSync(blob);
  if (blob.readUInt32BE() === 0x28b52ffd) return Buffer.concat([...zstdFrames(blob)]);
  return blob;
}

/** zstdDecompressSync stops after one frame, and says how much it took. */
function* zstdFrames(blob: Buffer): Generator<Buffer> {
  for (let rest = blob; rest.length > 0;) {
    const { buffer, engine } = zstdDecompressSync(rest, { info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    yield buffer;
    rest = rest.subarray(engine.bytesWritten);
  }
}
