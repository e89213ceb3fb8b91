// The file of a stat cache: a text that says what it is and how long its first part is, ended by NUL; a record a file (two
// bytes for the path's length, the path, fingerprint, digest); and the digest of all that. The first part has one record a
// path, in the order in which a tree is walked; behind it stand those that are newer, and count. So a walk finds each
// record behind the last one, and nothing is made of those that nobody asks for; and where little is new the old bytes are
// written as they are. A file that is not whole, or of another context, counts as empty.

import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import { writeAll } from "../core/system/write-all.ts";
import { comparePaths } from "../layer/order.ts";
import { FINGERPRINT_WORDS } from "./fingerprint.ts";

export const FINGERPRINT_BYTES = FINGERPRINT_WORDS * 8;
const DIGEST_CHARS = 64;
const RECORD_BYTES = FINGERPRINT_BYTES + DIGEST_CHARS;
const LENGTH_BYTES = 2;
/** Instead of the fingerprint and digest of a file that is no longer known. */
const FORGOTTEN = "\0".repeat(RECORD_BYTES);
/** Of all records, how many may be newer ones before all are written anew. */
const MOST_BEHIND = 1 / 8;

/** Fingerprint and digest of each file, by its path. */
export class DigestRecords {
  readonly #title: string;
  /** All records as they were read. */
  readonly #bytes: Buffer;
  readonly #text: string;
  readonly #firstBytes: number;
  /** How many records. */
  readonly #firstCount: number;
  /** What is newer: undefined for a file that is not known any more. */
  readonly #newer = new Map<BytePath, string | undefined>();
  /** Where the next record of the first part is, if somebody walks. */
  #next = 0;
  /** Where each record of the first part is, once somebody does not. */
  #places: Map<BytePath, number> | undefined;

  private constructor(title: string, bytes: Buffer, firstBytes: number) {
    this.#title = title;
    this.#bytes = bytes;
    this.#text = bytes.toString("latin1");
    this.#firstBytes = firstBytes;
    let count = 0;
    for (let at = 0; at < firstBytes; at = this.#recordAt(at) + RECORD_BYTES) count++;
    this.#firstCount = count;
    for (let at = firstBytes; at < bytes.length;) {
      const record = this.#recordAt(at);
      const said = this.#text.slice(record, record + RECORD_BYTES);
      this.#newer.set(this.#text.slice(at + LENGTH_BYTES, record), said === FORGOTTEN ? undefined : said);
      at = record + RECORD_BYTES;
    }
  }

  /** Those of a file that begins with `title`; none where it is another one. */
  static read(file: string, title: string): DigestRecords {
    const bytes = readWhole(file);
    const body = bytes?.subarray(0, Math.max(0, bytes.length - DIGEST_CHARS));
    const isWhole = body !== undefined && hexOf(digestOf(body)) === bytes?.toString("latin1", body.length);
    const end = isWhole ? body.indexOf(0) : -1;
    const said = body?.toString("latin1", 0, Math.max(0, end)) ?? "";
    if (body === undefined || !said.startsWith(`${title} `)) return new DigestRecords(title, Buffer.alloc(0), 0);
    return new DigestRecords(title, body.subarray(end + 1), Number(said.slice(title.length + 1)));
  }

  /** At least as many as there are. */
  get count(): number {
    return this.#firstCount + this.#newer.size;
  }

  get(path: BytePath): string | undefined {
    const isNewer = this.#newer.has(path);
    const start = lengthOf(path) + path;
    const isNext = this.#next < this.#firstBytes && this.#text.startsWith(start, this.#next);
    const at = isNext ? this.#next : isNewer ? undefined : (this.#places ??= this.#findPlaces()).get(path);
    if (at !== undefined) this.#next = at + start.length + RECORD_BYTES;
    if (isNewer) return this.#newer.get(path);
    return at === undefined ? undefined : this.#text.slice(at + start.length, this.#next);
  }

  /** Undefined: it is not known any more. */
  set(path: BytePath, record: string | undefined): void {
    this.#newer.set(path, record);
  }

  /** Writes a new file; with `wanted` only the records of these paths. */
  write(file: string, wanted: ReadonlySet<BytePath> | undefined): void {
    const parts =
      wanted === undefined && this.#newer.size <= this.#firstCount * MOST_BEHIND
        ? [this.#head(this.#firstBytes), this.#bytes.subarray(0, this.#firstBytes), this.#newerRecords()]
        : this.#allRecords(wanted);
    const digest = createHash("sha256");
    for (const part of parts) digest.update(part);
    const fd = openSync(file, "wx", 0o600);
    try {
      for (const part of [...parts, Buffer.from(digest.digest("hex"), "latin1")]) writeAll(fd, part);
    } finally {
      closeSync(fd);
    }
  }

  #findPlaces(): Map<BytePath, number> {
    const places = new Map<BytePath, number>();
    for (let at = 0; at < this.#firstBytes;) {
      const record = this.#recordAt(at);
      places.set(this.#text.slice(at + LENGTH_BYTES, record), at);
      at = record + RECORD_BYTES;
    }
    return places;
  }

  /** Where the fingerprint is whose path's length is at a place. */
  #recordAt(at: number): number {
    return at + LENGTH_BYTES + this.#text.charCodeAt(at) + (this.#text.charCodeAt(at + 1) << 8);
  }

  #head(firstBytes: number): Buffer {
    return Buffer.from(`${this.#title} ${firstBytes}\0`, "latin1");
  }

  #newerRecords(): Buffer {
    const records = [...this.#newer].map(([path, record]) => lengthOf(path) + path + (record ?? FORGOTTEN));
    return Buffer.from(records.join(""), "latin1");
  }

  #allRecords(wanted: ReadonlySet<BytePath> | undefined): Buffer[] {
    const paths = new Set([...(this.#places ??= this.#findPlaces()).keys(), ...this.#newer.keys()]);
    let records = "";
    for (const path of [...paths].sort(comparePaths)) {
      const record = this.get(path);
      if (record !== undefined && wanted?.has(path) !== false) records += lengthOf(path) + path + record;
    }
    const bytes = Buffer.from(records, "latin1");
    return [this.#head(bytes.length), bytes];
  }
}

/** A path is shorter than PATH_MAX (4096). */
function lengthOf({ length }: BytePath): string {
  return String.fromCharCode(length & 0xff, length >> 8);
}

function readWhole(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
