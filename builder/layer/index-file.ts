// A layer's index on disk: one line an entry, fields between tabs, bytes as they are
// except for the few that would break a line. Quick to read: 20,000 entries in some 30 ms.

import { crc32 } from "node:zlib";
import { BuildError } from "../core/errors.ts";
import { hexOf, isDigest } from "../core/digest.ts";
import type { Entry, EntryType, MutableEntry } from "./entry.ts";

/**
 * A layer's index as its file has it, read into entries when somebody asks for them: most layers are only passed on,
 * and 20,000 entries are 3 MB as bytes and 20 MB as objects.
 */
export class LayerIndex {
  readonly bytes: Uint8Array;
  #entries: readonly Entry[] | undefined;

  /** `bytes` are of `encodeIndex`, and of `entries` where these are at hand. */
  constructor(bytes: Uint8Array, entries?: readonly Entry[]) {
    this.bytes = bytes;
    this.#entries = entries;
  }

  /** Whether the bytes are an index; reads them. */
  get isWhole(): boolean {
    return (this.#entries ??= decodeIndex(this.bytes)) !== undefined;
  }

  /** In tar order. Throws `INTERNAL` when the bytes are no index. */
  get entries(): readonly Entry[] {
    const entries = (this.#entries ??= decodeIndex(this.bytes));
    if (entries === undefined) throw new BuildError("INTERNAL", "a layer's index is damaged");
    return entries;
  }
}

/** The index as bytes, in memory of their own: they can be handed to another thread. */
export function encodeIndex(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const text = entries.map(encodeEntry).join("");
  const first = firstLine(entries.length);
  const bytes = Buffer.allocUnsafeSlow(first.length + text.length);
  bytes.write(text, first.length, "latin1");
  return withFirstLine(bytes, first);
}

/** The index of so many entries whose lines are at hand, in memory that threads share: it goes to others without a copy. */
export function indexOfLines(lines: readonly Uint8Array[], count: number): Uint8Array {
  const first = firstLine(count);
  const length = lines.reduce((sum, part) => sum + part.length, first.length);
  const bytes = Buffer.from(new SharedArrayBuffer(length));
  let at = first.length;
  for (const part of lines) {
    bytes.set(part, at);
    at += part.length;
  }
  return withFirstLine(bytes, first);
}

function firstLine(count: number): string {
  return `${FIRST_LINE}${count} ${NO_SUM}\n`;
}

function withFirstLine<Bytes extends Buffer>(bytes: Bytes, first: string): Bytes {
  bytes.write(first, "latin1");
  bytes.write(sumOf(bytes.subarray(first.length)), first.length - 1 - NO_SUM.length, "latin1");
  return bytes;
}

/** The entries of `encodeIndex`; undefined when the bytes are damaged or of another version. */
export function decodeIndex(bytes: Uint8Array): Entry[] | undefined {
  const lines = wholeLines(bytes);
  if (lines === undefined) return undefined;
  const entries: Entry[] = [];
  for (const line of lines) {
    const entry = decodeEntry(line);
    if (entry === undefined) return undefined;
    entries.push(entry);
  }
  return entries;
}

/** What `encodeEntry` made of each entry; nothing when the bytes are damaged or of another version. */
export function indexLines(bytes: Uint8Array): readonly string[] {
  return (wholeLines(bytes) ?? []).map((line) => `${line}\n`);
}

function wholeLines(bytes: Uint8Array): string[] | undefined {
  const body = bodyOf(bytes);
  const lines = body && latin1(bytes.subarray(body.start)).split("\n");
  return lines?.length === (body?.count ?? 0) + 1 && lines.pop() === "" ? lines : undefined;
}

/** Where the lines of the entries begin, and how many there are; undefined when the bytes are damaged or of another version. */
export function bodyOf(bytes: Uint8Array): { readonly start: number; readonly count: number } | undefined {
  const start = bytes.indexOf(NEWLINE) + 1;
  const first = latin1(bytes.subarray(0, Math.max(0, start - 1)));
  // Without a sum: written before there was one.
  const [counted = "", sum] = first.slice(FIRST_LINE.length).split(" ");
  if (!first.startsWith(FIRST_LINE) || (sum !== undefined && sum !== sumOf(bytes.subarray(start)))) return undefined;
  return { start, count: Number(counted) };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** The bytes of all entries of an index, each as `of` counts its size, without reading it into entries. */
export function contentBytes({ bytes }: LayerIndex, of: (size: number) => number = (size) => size): number {
  let sum = 0;
  let field = 0;
  let size = 0;
  for (let at = bytes.indexOf(NEWLINE) + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === NEWLINE) {
      sum += of(size);
      field = size = 0;
    } else if (byte === TAB) field++;
    else if (field === SIZE_FIELD) size = size * 10 + (byte ?? 0) - ZERO;
  }
  return sum;
}

/** Over the lines of the entries: a disk that gives back other bytes than it got is noticed. */
function sumOf(body: Uint8Array): string {
  return crc32(body).toString(16).padStart(NO_SUM.length, "0");
}

const NO_SUM = "00000000";
const FIRST_LINE = "tsbuild layer index 1 ";
const [NEWLINE, TAB, ZERO] = [0x0a, 0x09, 0x30];
const SIZE_FIELD = 4;

const LETTERS: Readonly<Record<EntryType, string>> = {
  file: "f",
  dir: "d",
  symlink: "l",
  hardlink: "h",
  char: "c",
  block: "b",
  fifo: "p",
  whiteout: "w",
  opaque: "o",
};
const TYPES = new Map<string, EntryType>(
  (Object.keys(LETTERS) as EntryType[]).map((type) => [LETTERS[type], type]), // the keys of a Record of EntryType
);

/** The line of an entry: of two entries the same if they are equal. */
export function encodeEntry(entry: Entry): string {
  const { type, mode, uid, gid, size, mtimeNs, path, digest, link, lowerNames = [], major, minor, xattrs } = entry;
  let line = `${LETTERS[type]}\t${mode.toString(8)}\t${uid}\t${gid}\t${size}\t${mtimeNs}\t${digest === undefined ? "" : hexOf(digest)}\t${escape(path)}`;
  if (link !== undefined) line += `\tl${escape(link)}`;
  if (major !== undefined || minor !== undefined) line += `\td${major ?? 0}:${minor ?? 0}`;
  for (const name of lowerNames) line += `\tn${escape(name)}`;
  if (xattrs !== undefined) {
    for (const name of Object.keys(xattrs).sort()) {
      const value = Buffer.from(xattrs[name] ?? []).toString("base64");
      line += `\tx${escape(Buffer.from(name, "utf8").toString("latin1"))}\t=${value}`;
    }
  }
  return `${line}\n`;
}

/** The entry of a line without its end; undefined when it is none. */
export function decodeEntry(line: string): Entry | undefined {
  const fields = line.split("\t");
  const [letter = "", mode = "", uid = "", gid = "", size = "", mtime = "", hex = "", path] = fields;
  const type = TYPES.get(letter);
  if (type === undefined || path === undefined || !MTIME.test(mtime)) return undefined;
  const entry: MutableEntry = {
    path: unescape(path),
    type,
    mode: Number.parseInt(mode, 8),
    uid: natural(uid),
    gid: natural(gid),
    size: natural(size),
    mtimeNs: BigInt(mtime),
  };
  // Something that was no number makes the sum none.
  if (Number.isNaN(entry.mode + entry.uid + entry.gid + entry.size)) return undefined;
  if (hex !== "") {
    const digest = `sha256:${hex}`;
    if (!isDigest(digest)) return undefined;
    entry.digest = digest;
  }
  return fields.length === 8 ? entry : withExtras(entry, fields);
}

const MTIME = /^-?[0-9]+$/;

function natural(text: string): number {
  const value = text === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
}

function withExtras(entry: MutableEntry, fields: readonly string[]): Entry | undefined {
  for (let i = 8; i < fields.length; i++) {
    const field = fields[i] ?? "";
    const value = field.slice(1);
    switch (field[0]) {
      case "l":
        entry.link = unescape(value);
        break;
      case "n":
        entry.lowerNames = [...(entry.lowerNames ?? []), unescape(value)];
        break;
      case "d": {
        const [major = "", minor = ""] = value.split(":");
        entry.major = Number(major);
        entry.minor = Number(minor);
        break;
      }
      case "x": {
        const encoded = fields[++i];
        if (encoded?.[0] !== "=") return undefined;
        const name = Buffer.from(unescape(value), "latin1").toString("utf8");
        entry.xattrs = { ...entry.xattrs, [name]: new Uint8Array(Buffer.from(encoded.slice(1), "base64")) };
        break;
      }
      default:
        return undefined;
    }
  }
  return entry;
}

function escape(bytes: string): string {
  return /[\t\n\\]/.test(bytes) ? bytes.replace(/[\t\n\\]/g, (byte) => ESCAPES[byte] ?? byte) : bytes;
}

function unescape(text: string): string {
  return text.includes("\\") ? text.replace(/\\(.)/g, (_, letter: string) => UNESCAPES[letter] ?? letter) : text;
}

const ESCAPES: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\\": "\\\\" };
const UNESCAPES: Readonly<Record<string, string>> = { t: "\t", n: "\n", "\\": "\\" };
