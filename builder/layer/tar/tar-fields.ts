// The fields of a tar header as bytes, and the pax records that overrule them.

import { invalidArchive, TAR_BLOCK } from "./tar-format.ts";
import type { TarType } from "./tar-format.ts";
import type { PaxRecords } from "./pax.ts";
import { parsePaxNumber, parsePaxTime, XATTR_KEY } from "./pax.ts";
import type { SparsePiece } from "./tar-sparse.ts";
import { sparsePiecesOf } from "./tar-sparse.ts";

/** A header while it is read. */
export interface ReadHeader {
  name: string;
  type: TarType;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtimeNs: bigint;
  link: string;
  major: number;
  minor: number;
  xattrs?: Record<string, Uint8Array>;
  /** What pax records said of a sparse file. */
  sparse?: { realSize: number | undefined; pieces: SparsePiece[] | undefined; isVersion1: boolean };
}

/** Puts pax records into a header. Later records win; an empty value takes a global one back. */
export function mergePax(header: ReadHeader, records: PaxRecords): void {
  let isSparse = false;
  let realSize: number | undefined;
  let isVersion1 = false;
  for (const [key, value] of records) {
    if (key.startsWith(XATTR_KEY)) {
      const name = Buffer.from(key.slice(XATTR_KEY.length), "latin1").toString("utf8");
      header.xattrs ??= {};
      header.xattrs[name] = new Uint8Array(Buffer.from(value, "latin1"));
      continue;
    }
    if (value === "" && !key.startsWith("GNU.")) continue;
    switch (key) {
      case "path":
        header.name = noNul(value);
        break;
      case "linkpath":
        header.link = noNul(value);
        break;
      case "size":
        header.size = parsePaxNumber(value);
        break;
      case "uid":
        header.uid = parsePaxNumber(value);
        break;
      case "gid":
        header.gid = parsePaxNumber(value);
        break;
      case "mtime":
        header.mtimeNs = parsePaxTime(value);
        break;
      case "SCHILY.devmajor":
        header.major = parsePaxNumber(value);
        break;
      case "SCHILY.devminor":
        header.minor = parsePaxNumber(value);
        break;
      case "GNU.sparse.name":
        header.name = noNul(value);
        isSparse = true;
        break;
      case "GNU.sparse.realsize":
      case "GNU.sparse.size":
        realSize = parsePaxNumber(value);
        isSparse = true;
        break;
      case "GNU.sparse.major":
        isVersion1 = value === "1";
        isSparse = true;
        break;
      case "GNU.sparse.map":
      case "GNU.sparse.offset":
        isSparse = true;
        break;
    }
  }
  if (isSparse) header.sparse = { realSize, pieces: sparsePiecesOf(records), isVersion1 };
}

function noNul(value: string): string {
  if (value.includes("\0")) throw invalidArchive("a name holds a NUL byte", value);
  return value;
}

/** Throws unless the header has its checksum: the sum of all bytes with the sum's own field as spaces; old writers summed signed chars. */
export function verifyChecksum(block: Buffer): void {
  let unsigned = 8 * 0x20;
  let signed = 8 * 0x20;
  for (let i = 0; i < TAR_BLOCK; i++) {
    if (i === 148) i = 156;
    const byte = block[i] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stored = number(block, 148, 8);
  if (stored !== unsigned && stored !== signed) throw invalidArchive("a header's checksum is wrong (it is damaged)");
}

/** Throws unless an archive's first block is a header: what begins otherwise is something else. */
export function verifyFirst(block: Buffer): void {
  try {
    verifyChecksum(block);
  } catch (error) {
    throw invalidArchive("it is no tar: it does not begin with a header", undefined, error);
  }
}

/** Octal digits, or GNU's base-256 when the first bit is set. */
export function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if (first >= 0x80) return base256(block, offset, length);
  let value = 0;
  let at = offset;
  const end = offset + length;
  while (at < end && block[at] === 0x20) at++;
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) throw invalidArchive("a header holds a number that is none");
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

function base256(block: Buffer, offset: number, length: number): number {
  const isNegative = ((block[offset] ?? 0) & 0x40) !== 0;
  let value = BigInt(isNegative ? ((block[offset] ?? 0) & 0x7f) - 0x80 : (block[offset] ?? 0) & 0x7f);
  for (let i = offset + 1; i < offset + length; i++) value = value * 256n + BigInt(block[i] ?? 0);
  const small = Number(value);
  if (!Number.isSafeInteger(small)) throw invalidArchive("a header holds a number that is too large");
  return small;
}

/** A field up to its first NUL. */
export function cString(block: Buffer, offset: number, length: number): string {
  const nul = block.indexOf(0, offset);
  const end = nul < 0 || nul > offset + length ? offset + length : nul;
  return block.toString("latin1", offset, end);
}
