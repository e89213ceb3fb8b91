// The three forms of an RPM database, each as the package headers in it. All of them are read in parts, for they may be
// far larger than what they tell of packages, and none of them is believed: each byte of a file is read once at most.

import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { writeAll } from "../../core/system/write-all.ts";

/** A database's file. */
export interface DatabaseFile {
  /** In bytes. */
  readonly size: number;
  /** Part of it; throws when the file ends before. */
  read(offset: number, length: number): Buffer;
}

/** The SQLite form of rpm 4.16 and later, and the log beside it. `scratch`: a copy is opened there, for SQLite wants to write beside a database that has a log. */
export function* sqlitePackages(
  file: DatabaseFile,
  log: DatabaseFile | undefined,
  scratch: string,
): Generator<Uint8Array> {
  const copy = join(scratch, "rpmdb.sqlite");
  if (existsSync(copy)) throw new Error("there is more than one RPM database");
  if (file.size + (log?.size ?? 0) > MOST_COPIED_BYTES) throw new Error(`it is larger than ${MOST_COPIED_BYTES} bytes`);
  copyTo(copy, file);
  if (log !== undefined) copyTo(`${copy}-wal`, log);
  const database = new DatabaseSync(copy, { allowExtension: false });
  try {
    // The file is the image's, not ours: nothing that it defines may run.
    database.exec("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;");
    for (const { blob } of database.prepare("SELECT blob FROM Packages ORDER BY hnum").iterate())
      if (blob instanceof Uint8Array) yield blob;
  } finally {
    database.close();
  }
}

const MOST_COPIED_BYTES = 1 << 30;

function copyTo(path: string, file: DatabaseFile): void {
  const fd = openSync(path, "wx");
  try {
    for (let offset = 0; offset < file.size; offset += CHUNK_BYTES) {
      const chunk = file.read(offset, Math.min(CHUNK_BYTES, file.size - offset));
      writeAll(fd, chunk);
    }
  } finally {
    closeSync(fd);
  }
}

const CHUNK_BYTES = 1 << 20;

/** rpm's own "ndb" form (rpm, lib/backend/ndb/rpmpkg.c): pages of slots, each with the place of a header. All numbers are little-endian. */
export function* ndbPackages(file: DatabaseFile): Generator<Uint8Array> {
  const head = file.read(0, 2 * SLOT_BYTES);
  if (head.toString("latin1", 0, 4) !== "RpmP" || head.readUInt32LE(4) !== 0) throw new Error("it is no ndb database");
  const slotsEnd = head.readUInt32LE(12) * NDB_PAGE_BYTES;
  const places: { readonly at: number; readonly end: number }[] = [];
  for (let page = 0; page < slotsEnd; page += NDB_PAGE_BYTES) {
    const slots = file.read(page, NDB_PAGE_BYTES);
    for (let at = page === 0 ? head.length : 0; at < slots.length; at += SLOT_BYTES) {
      if (slots.toString("latin1", at, at + 4) !== "Slot") throw new Error("its list of packages is damaged");
      const start = slots.readUInt32LE(at + 8) * SLOT_BYTES;
      if (start === 0) continue;
      const end = start + slots.readUInt32LE(at + 12) * SLOT_BYTES;
      if (end > file.size) throw tooShort();
      places.push({ at: start, end });
    }
  }
  let lastEnd = slotsEnd;
  for (const { at, end } of places.sort((a, b) => a.at - b.at)) {
    if (at < lastEnd) throw new Error("two of its packages lie in one place");
    lastEnd = end;
    const start = file.read(at, SLOT_BYTES);
    const length = start.readUInt32LE(12);
    if (start.toString("latin1", 0, 4) !== "BlbS" || at + SLOT_BYTES + length > end)
      throw new Error("one of its packages is damaged");
    yield file.read(at + SLOT_BYTES, length);
  }
}

const NDB_PAGE_BYTES = 4096;
const SLOT_BYTES = 16;

/**
 * Berkeley DB's hash, which rpm wrote before 4.16: pairs of a number and a header on pages, long ones on pages of their own
 * (db 5.3, src/dbinc/db_page.h). Every page in use is looked at, in the order of the file: buckets and their order do not matter.
 */
export function* berkeleyPackages(file: DatabaseFile): Generator<Uint8Array> {
  const pages = pagesOf(file);
  for (let number = 1; number <= pages.last; number++) {
    const page = pages.read(number);
    if (!HASH_PAGES.has(page.bytes[TYPE] ?? 0)) continue;
    const offsets = offsetsOn(page);
    for (let item = 0; item + 1 < offsets.length; item += 2) {
      const key = itemOn(page, offsets, item);
      const value = itemOn(page, offsets, item + 1);
      // The header of number 0 is the number of the last package.
      if (key[0] !== INLINE || key.length !== 5 || key.readUInt32LE(1) === 0) continue;
      yield value[0] === INLINE ? value.subarray(1) : longValue(pages, page, value);
    }
  }
}

const HASH_MAGIC = 0x061561;
const HASH_PAGES = new Set([2, 13]);
const LONG_PAGE = 7;
const PAGE_HEADER_BYTES = 26;
const TYPE = 25;
const INLINE = 1;
const ON_OTHER_PAGES = 3;

/** A page; numbers are in the byte order of the machine that wrote it. */
interface Page {
  readonly bytes: Buffer;
  u16(at: number): number;
  u32(at: number): number;
}

interface Pages {
  readonly last: number;
  read(number: number): Page;
  /** Pages of long values that were read: none belongs to two. */
  readonly taken: Set<number>;
}

function pagesOf(file: DatabaseFile): Pages {
  const meta = file.read(0, 512);
  const isLittle = meta.readUInt32LE(12) === HASH_MAGIC;
  if (!isLittle && meta.readUInt32BE(12) !== HASH_MAGIC) throw new Error("it is no hash of Berkeley DB");
  const wrap = (bytes: Buffer): Page => ({
    bytes,
    u16: (at) => (isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)),
    u32: (at) => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)),
  });
  const head = wrap(meta);
  const [version, size, last] = [head.u32(16), head.u32(20), head.u32(32)];
  if (version < 8 || version > 10)
    throw new Error(`its format of Berkeley DB's hash is version ${version}: 8 to 10 are read`);
  if (size < 512 || size > 65536 || (size & (size - 1)) !== 0) throw new Error(`its pages of ${size} bytes are none`);
  if ((last + 1) * size > file.size) throw tooShort();
  const read = (number: number): Page => {
    if (number < 1 || number > last) throw new Error(`it names a page ${number} that it does not have`);
    return wrap(file.read(number * size, size));
  };
  return { last, read, taken: new Set() };
}

function offsetsOn(page: Page): readonly number[] {
  const count = page.u16(20);
  if (PAGE_HEADER_BYTES + 2 * count > page.bytes.length) throw damagedPage();
  return Array.from({ length: count }, (_, item) => page.u16(PAGE_HEADER_BYTES + 2 * item));
}

/** An item with its kind in front; items lie from the end of a page towards its beginning. */
function itemOn(page: Page, offsets: readonly number[], item: number): Buffer {
  const start = offsets[item] ?? 0;
  const end = item === 0 ? page.bytes.length : (offsets[item - 1] ?? 0);
  if (start < PAGE_HEADER_BYTES || start >= end) throw damagedPage();
  return page.bytes.subarray(start, end);
}

function longValue(pages: Pages, page: Page, item: Buffer): Buffer {
  if (item[0] !== ON_OTHER_PAGES || item.length !== 12) throw damagedPage();
  const at = item.byteOffset - page.bytes.byteOffset;
  const length = page.u32(at + 8);
  const parts: Buffer[] = [];
  let number = page.u32(at + 4);
  for (let left = length; left > 0;) {
    if (pages.taken.has(number)) throw new Error(`its page ${number} belongs to two packages`);
    pages.taken.add(number);
    const part = pages.read(number);
    const used = part.u16(22);
    if (part.bytes[TYPE] !== LONG_PAGE || used === 0 || used > left || PAGE_HEADER_BYTES + used > part.bytes.length)
      throw damagedPage();
    parts.push(part.bytes.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + used));
    number = part.u32(16);
    left -= used;
  }
  return Buffer.concat(parts);
}

function tooShort(): Error {
  return new Error("it ends too early");
}

function damagedPage(): Error {
  return new Error("one of its pages is damaged");
}
