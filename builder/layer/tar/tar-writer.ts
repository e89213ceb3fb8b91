// Tar headers as we write them: ustar where everything fits, one pax header before it
// where not, as Go's archive/tar does for the layers of BuildKit (no user names, no
// access times, no "./" but for the root itself, directories with a slash). The bytes depend on the header alone.

import { invalidArchive, paddingOf, TAR_BLOCK } from "./tar-format.ts";
import type { TarHeader, TarType } from "./tar-format.ts";
import { formatPax, formatPaxTime, XATTR_KEY } from "./pax.ts";

/** The end of an archive: two empty blocks. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK);

/**
 * The header blocks of one member. The result is valid until the next call.
 * Directories get their slash here; `mtimeNs` keeps its fraction (callers cut it where they want whole seconds).
 */
export function encodeTarHeader(header: TarHeader): Uint8Array {
  const name = header.type === "dir" && !header.name.endsWith("/") ? `${header.name || "."}/` : header.name;
  if (name.includes("\0") || header.link.includes("\0")) throw invalidArchive("a name holds a NUL byte", name);
  const pax = paxRecordsFor(header, name);
  if (pax.size === 0) {
    writeUstar(plain, header, name);
    return plain;
  }
  const body = formatPax(pax);
  const whole = Buffer.alloc(TAR_BLOCK + body.length + paddingOf(body.length) + TAR_BLOCK);
  writeFields(whole, paxHeaderName(name), "", {
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    seconds: 0,
    typeflag: "x",
    link: "",
    major: 0,
    minor: 0,
  });
  body.copy(whole, TAR_BLOCK);
  writeUstar(whole.subarray(whole.length - TAR_BLOCK), header, name);
  return whole;
}

const plain = Buffer.alloc(TAR_BLOCK);

const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;
const NON_ASCII = /[^\x01-\x7f]/;
const TYPE_FLAGS: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  dir: "5",
  fifo: "6",
};

function paxRecordsFor(header: TarHeader, name: string): Map<string, string> {
  const records = new Map<string, string>();
  if (NON_ASCII.test(name) || (name.length > 100 && splitName(name) === undefined)) records.set("path", name);
  if (header.link.length > 100 || NON_ASCII.test(header.link)) records.set("linkpath", header.link);
  if (header.size > MAX_OCTAL_11) records.set("size", String(header.size));
  if (header.uid > MAX_OCTAL_7) records.set("uid", String(header.uid));
  if (header.gid > MAX_OCTAL_7) records.set("gid", String(header.gid));
  const { mtimeNs } = header;
  if (mtimeNs < 0n || mtimeNs % 1_000_000_000n !== 0n || mtimeNs / 1_000_000_000n > BigInt(MAX_OCTAL_11)) {
    records.set("mtime", formatPaxTime(mtimeNs));
  }
  for (const [key, value] of Object.entries(header.xattrs ?? {})) {
    if (key === "" || /[=\0]/.test(key))
      throw invalidArchive(`the attribute ${JSON.stringify(key)} cannot be written`, name);
    const keyBytes = Buffer.from(key, "utf8").toString("latin1");
    records.set(XATTR_KEY + keyBytes, Buffer.from(value.buffer, value.byteOffset, value.length).toString("latin1"));
  }
  return records;
}

function writeUstar(block: Buffer, header: TarHeader, name: string): void {
  const split = name.length > 100 && !NON_ASCII.test(name) ? splitName(name) : undefined;
  const seconds = header.mtimeNs < 0n ? 0 : Number(header.mtimeNs / 1_000_000_000n);
  writeFields(block, split === undefined ? ascii(name) : split.name, split?.prefix ?? "", {
    mode: header.mode & 0o7777,
    uid: fit(header.uid, MAX_OCTAL_7),
    gid: fit(header.gid, MAX_OCTAL_7),
    size: fit(header.size, MAX_OCTAL_11),
    seconds: fit(seconds, MAX_OCTAL_11),
    typeflag: TYPE_FLAGS[header.type],
    link: ascii(header.link),
    major: header.major,
    minor: header.minor,
  });
}

interface Fields {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly typeflag: string;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
}

/** POSIX.1-1988 ustar, field by field; a block is written whole, so a buffer can be used again. */
function writeFields(block: Buffer, name: string, prefix: string, fields: Fields): void {
  block.fill(0, 0, TAR_BLOCK);
  block.write(name, 0, 100, "latin1");
  writeOctal(block, 100, 7, fields.mode);
  writeOctal(block, 108, 7, fields.uid);
  writeOctal(block, 116, 7, fields.gid);
  writeOctal(block, 124, 11, fields.size);
  writeOctal(block, 136, 11, fields.seconds);
  block.write(fields.typeflag, 156, 1, "latin1");
  block.write(fields.link, 157, 100, "latin1");
  block.write("ustar\x0000", 257, 8, "latin1");
  writeOctal(block, 329, 7, fields.major);
  writeOctal(block, 337, 7, fields.minor);
  block.write(prefix, 345, 155, "latin1");
  let sum = 8 * 0x20;
  for (let i = 0; i < TAR_BLOCK; i++) sum += block[i] ?? 0;
  writeOctal(block, 148, 6, sum);
  block[155] = 0x20;
}

/** Digits with leading zeros; the NUL after them is there already. */
function writeOctal(block: Buffer, offset: number, digits: number, value: number): void {
  let rest = value;
  for (let i = offset + digits - 1; i >= offset; i--) {
    block[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function fit(value: number, max: number): number {
  return value > max ? 0 : value;
}

/** For readers without pax; the true name is in the pax header. */
function ascii(name: string): string {
  return name.replace(/[^\x01-\x7f]/g, "");
}

/** A name cut at a slash into the two fields of ustar, as Go's splitUSTARPath cuts it. */
function splitName(name: string): { prefix: string; name: string } | undefined {
  const length = name.length > 156 ? 156 : name.endsWith("/") ? name.length - 1 : name.length;
  const cut = name.lastIndexOf("/", length - 1);
  const rest = name.length - cut - 1;
  if (cut <= 0 || rest > 100 || rest === 0 || cut > 155) return undefined;
  return { prefix: name.slice(0, cut), name: name.slice(cut + 1) };
}

function paxHeaderName(name: string): string {
  const trimmed = ascii(name).replace(/\/+$/, "");
  const slash = trimmed.lastIndexOf("/");
  const whole =
    slash < 0 ? `PaxHeaders.0/${trimmed}` : `${trimmed.slice(0, slash)}/PaxHeaders.0/${trimmed.slice(slash + 1)}`;
  return whole.slice(0, 100);
}
