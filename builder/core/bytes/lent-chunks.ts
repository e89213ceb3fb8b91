// Chunks of files and of answers on their way to where they are sent or written. Of several transfers so many are under way at once that
// each would outlive a small collection, and V8 would look through its whole heap every few MiB. So whoever is the last to
// read a chunk gives it back, and the next one is read into the same memory. What nobody gives back is garbage like any
// other.

import type { FileHandle } from "node:fs/promises";
import { notePassed } from "./passed-bytes.ts";

const CHUNK_BYTES = 1 << 20;
const MOST_SPARE = 8;

/** Memory that nobody reads, by its size. */
const spare = new Map<number, Buffer[]>();
/** Memory that is lent, with the length of the chunk in it. */
const lent = new WeakMap<ArrayBufferLike, number>();

/** The next chunk of a file, of 1 MiB at most, from a place on (null: where the handle stands); empty at its end. */
export async function readChunk(
  file: FileHandle,
  position: number | null,
  mostBytes = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  if (mostBytes < CHUNK_BYTES) {
    const buffer = Buffer.allocUnsafeSlow(mostBytes);
    const { bytesRead } = await file.read(buffer, 0, mostBytes, position);
    return buffer.subarray(0, bytesRead);
  }
  const buffer = spareBuffer(CHUNK_BYTES);
  const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
  return lend(buffer, bytesRead);
}

/** Memory to be filled and lent, of a few fixed sizes. */
export function spareBuffer(bytes: number): Buffer {
  return spare.get(bytes)?.pop() ?? newBuffer(bytes);
}

/** The chunk of so many bytes that fill a spare buffer from its start. */
export function lend(buffer: Buffer, bytes: number): Uint8Array {
  lent.set(buffer.buffer, bytes);
  return buffer.subarray(0, bytes);
}

/** Says that nobody reads a chunk any more. Does nothing for one that was not lent, and for a part of one. */
export function giveBack(chunk: Uint8Array): void {
  if (chunk.byteOffset !== 0 || !isLent(chunk)) return;
  lent.delete(chunk.buffer);
  const { byteLength } = chunk.buffer;
  const alike = spare.get(byteLength) ?? [];
  spare.set(byteLength, alike);
  if (alike.length < MOST_SPARE) alike.push(Buffer.from(chunk.buffer, 0, byteLength));
}

/** Says that somebody beside the one who may give a chunk back reads it, too: its memory is not used again. */
export function keepChunk(chunk: Uint8Array): void {
  lent.delete(chunk.buffer);
}

/** Whether a whole chunk is expected back, and so no garbage yet. */
export function isLent(chunk: Uint8Array): boolean {
  return lent.get(chunk.buffer) === chunk.length;
}

function newBuffer(bytes: number): Buffer {
  notePassed(bytes);
  return Buffer.allocUnsafeSlow(bytes);
}
