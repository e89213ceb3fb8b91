// Zstandard (RFC 8878) by frames. Node's decoder stops after the first frame of a chunk
// and does not notice a missing end, so the frames are told apart here, by the lengths in
// their block headers, and small ones (ours are 2 MiB at most) are decoded several at a time.

import { createZstdDecompress, zstdDecompress } from "node:zlib";
import { invalidArchive } from "../tar/tar-format.ts";

/** The decoded bytes of all frames. Throws `ARCHIVE_INVALID`. */
export async function* unzstd(source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(source);
  const ahead: Promise<Uint8Array>[] = [];
  try {
    while (await input.has(1)) {
      const frame = await readFrame(input);
      if (frame === undefined) continue;
      if (frame.whole !== undefined) {
        const decoded = decodeWhole(frame.whole);
        decoded.catch(() => undefined); // reported where its turn comes
        ahead.push(decoded);
        if (ahead.length < MOST_AHEAD) continue;
      }
      while (ahead.length > 0 && (frame.whole === undefined || ahead.length >= MOST_AHEAD)) {
        const next = ahead.shift();
        if (next !== undefined) yield await next;
      }
      if (frame.parts !== undefined) yield* decodeParts(frame.parts);
    }
    for (const next of ahead) yield await next;
  } finally {
    await source.return(undefined);
  }
}

const MOST_AHEAD = 5;
/** Frames that say they are no larger are kept whole. */
const WHOLE_BYTES = 4 << 20;
const MAGIC = 0xfd2fb528;

interface Frame {
  readonly whole?: Buffer;
  readonly parts?: AsyncGenerator<Buffer>;
}

async function readFrame(input: ByteQueue): Promise<Frame | undefined> {
  const magic = (await input.peek(4)).readUInt32LE(0);
  if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) {
    const head = await input.take(8);
    await input.skip(head.readUInt32LE(4));
    return undefined;
  }
  if (magic !== MAGIC) throw invalidArchive("its zstd data is damaged: no frame where one should begin");
  const descriptor = (await input.peek(5))[4] ?? 0;
  const header = await input.take(5 + headerBytes(descriptor));
  const hasChecksum = (descriptor & 4) !== 0;
  const contentSize = contentSizeOf(header, descriptor);
  const parts = frameParts(input, header, hasChecksum);
  if (contentSize === undefined || contentSize > WHOLE_BYTES) return { parts };
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of parts) {
    pieces.push(piece);
    length += piece.length;
    // Compressed data is never longer than its content by more than its headers.
    if (length > 2 * WHOLE_BYTES) throw invalidArchive("its zstd data is damaged: a frame is longer than it says");
  }
  return { whole: Buffer.concat(pieces) };
}

/** The header, the blocks, and the checksum of a frame, each as one piece. */
async function* frameParts(input: ByteQueue, header: Buffer, hasChecksum: boolean): AsyncGenerator<Buffer> {
  yield header;
  for (;;) {
    const block = (await input.peek(3)).readUIntLE(0, 3);
    const [isLast, type, size] = [(block & 1) !== 0, (block >> 1) & 3, block >> 3];
    if (type === 3) throw invalidArchive("its zstd data is damaged: a block of no known type");
    yield await input.take(3 + (type === 1 ? 1 : size));
    if (!isLast) continue;
    if (hasChecksum) yield await input.take(4);
    return;
  }
}

async function decodeWhole(frame: Buffer): Promise<Uint8Array> {
  return await new Promise((resolve, reject) => {
    zstdDecompress(frame, { maxOutputLength: WHOLE_BYTES, chunkSize: 1 << 20 }, (error, bytes) => {
      if (error === null) resolve(bytes);
      else reject(damagedFrame(error));
    });
  });
}

/** One large frame through Node's stream; it is given the frame's own bytes and no others. */
async function* decodeParts(parts: AsyncGenerator<Buffer>): AsyncGenerator<Uint8Array> {
  const decoder = createZstdDecompress({ chunkSize: 1 << 20 });
  let failure: Error | undefined;
  const feed = (async (): Promise<void> => {
    try {
      for await (const part of parts) {
        if (decoder.destroyed) return;
        if (!decoder.write(part))
          await new Promise<void>((resolve) => decoder.once("drain", resolve).once("close", resolve));
      }
      decoder.end();
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      decoder.destroy(failure);
    }
  })();
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array; // zlib emits buffers
  } catch (error) {
    throw failure ?? damagedFrame(error);
  } finally {
    decoder.destroy();
    await feed;
  }
}

function damagedFrame(error: unknown): Error {
  return invalidArchive(
    `its zstd data is damaged: ${error instanceof Error ? error.message : String(error)}`,
    undefined,
    error,
  );
}

/** Bytes of the header after the descriptor (RFC 8878, 3.1.1.1). */
function headerBytes(descriptor: number): number {
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  return (isSingle ? 0 : 1) + dictionary + contentSizeBytes(descriptor);
}

function contentSizeBytes(descriptor: number): number {
  const isSingle = (descriptor & 0x20) !== 0;
  return [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
}

function contentSizeOf(header: Buffer, descriptor: number): number | undefined {
  const bytes = contentSizeBytes(descriptor);
  const at = header.length - bytes;
  switch (bytes) {
    case 1:
      return header.readUInt8(at);
    case 2:
      return header.readUInt16LE(at) + 256;
    case 4:
      return header.readUInt32LE(at);
    case 8:
      return Number(header.readBigUInt64LE(at));
    default:
      return undefined;
  }
}

/** Takes bytes in the amounts that are asked for out of chunks of any size. */
class ByteQueue {
  readonly #source: AsyncGenerator<Uint8Array>;
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(source: AsyncGenerator<Uint8Array>) {
    this.#source = source;
  }

  async has(count: number): Promise<boolean> {
    while (this.#length < count) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      this.#chunks.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length));
      this.#length += next.value.length;
    }
    return true;
  }

  async peek(count: number): Promise<Buffer> {
    if (!(await this.has(count))) throw invalidArchive("its zstd data is cut (truncated)");
    const [first] = this.#chunks;
    if (first === undefined || first.length < count) this.#chunks = [Buffer.concat(this.#chunks)];
    return (this.#chunks[0] ?? Buffer.alloc(0)).subarray(0, count);
  }

  async take(count: number): Promise<Buffer> {
    const taken = await this.peek(count);
    const [first] = this.#chunks;
    if (first?.length === count) this.#chunks.shift();
    else if (first !== undefined) this.#chunks[0] = first.subarray(count);
    this.#length -= count;
    return taken;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      const step = Math.min(left, 1 << 16);
      await this.take(step);
      left -= step;
    }
  }
}
