// An .xz file without compression, for a machine that has no xz(1): the container of "The .xz File Format" 1.2.1 around
// LZMA2 chunks that are stored as they are. Any xz reads it.

import { crc32 } from "node:zlib";

const STREAM_FLAGS = Uint8Array.of(0x00, 0x01); // section 2.1.1.2: the check is CRC32
const LZMA2_FILTER = 0x21;
const SMALLEST_DICTIONARY = 0x00; // 4 KiB; stored chunks use none
const FIRST_STORED_CHUNK = 0x01; // resets the dictionary, which the first chunk has to
const STORED_CHUNK = 0x02;
const END_OF_CHUNKS = 0x00;
const LARGEST_CHUNK_BYTES = 0x10000;

/** One stream of one block that holds `content`. */
export function storeAsXz(content: Uint8Array): Uint8Array {
  const header = checked(Uint8Array.of(...STREAM_FLAGS));
  const block = writeBlock(content);
  const index = writeIndex(block.unpaddedSize, content.length);
  const footer = Buffer.concat([littleEndian32(index.length / 4 - 1), STREAM_FLAGS]);
  return Buffer.concat([
    Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00),
    header,
    block.bytes,
    index,
    littleEndian32(crc32(footer)),
    footer,
    Buffer.from("YZ"),
  ]);
}

function writeBlock(content: Uint8Array): { bytes: Uint8Array; unpaddedSize: number } {
  // Size in words less one, flags (one filter, no sizes), the filter with its one property byte.
  const fields = Uint8Array.of(0x02, 0x00, LZMA2_FILTER, 0x01, SMALLEST_DICTIONARY, 0x00, 0x00, 0x00);
  const header = checked(fields);
  const chunks = Buffer.concat([...storedChunks(content), Uint8Array.of(END_OF_CHUNKS)]);
  const check = littleEndian32(crc32(content));
  return {
    bytes: Buffer.concat([header, padded(chunks), check]),
    unpaddedSize: header.length + chunks.length + check.length,
  };
}

function* storedChunks(content: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < content.length; at += LARGEST_CHUNK_BYTES) {
    const chunk = content.subarray(at, at + LARGEST_CHUNK_BYTES);
    const last = chunk.length - 1;
    yield Uint8Array.of(at === 0 ? FIRST_STORED_CHUNK : STORED_CHUNK, last >> 8, last & 0xff);
    yield chunk;
  }
}

function writeIndex(unpaddedSize: number, contentSize: number): Uint8Array {
  return checked(padded(Uint8Array.of(0x00, 1, ...variableLength(unpaddedSize), ...variableLength(contentSize))));
}

/** Seven bits a byte, lowest first, the high bit set on all but the last (section 1.2). */
function variableLength(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return [...bytes, value];
}

function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, new Uint8Array((4 - (bytes.length % 4)) % 4)]);
}

/** The bytes and their CRC32. */
function checked(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, littleEndian32(crc32(bytes))]);
}

function littleEndian32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
