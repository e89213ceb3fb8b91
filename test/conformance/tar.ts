// A tar reader of the tests' own, so that an image is not read by the code that wrote it: ustar with prefix, pax headers
// and GNU long names. Names and attributes stay bytes until they are shown.

import assert from "node:assert/strict";

const BLOCK = 512;

export interface Member {
  /** As in the archive. */
  readonly name: Buffer;
  readonly type: MemberType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds. */
  readonly mtime: number;
  readonly link: Buffer;
  readonly device: string;
  readonly attributes: ReadonlyMap<string, Buffer>;
  readonly content: Buffer;
}

const TYPES = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
} as const;
export type MemberType = (typeof TYPES)[keyof typeof TYPES];

/** Every member of a tar. Throws on a wrong checksum, an unknown type, and what is cut off. */
export function* readTar(tar: Buffer): Generator<Member> {
  let pax = new Map<string, Buffer>();
  for (let at = 0; at < tar.length;) {
    const header = tar.subarray(at, at + BLOCK);
    assert.equal(header.length, BLOCK, "a tar header is cut off");
    if (header.every((byte) => byte === 0)) return;
    checkSum(header);
    const size = Number(pax.get("size")?.toString() ?? number(header, 124, 12));
    const content = tar.subarray(at + BLOCK, at + BLOCK + size);
    assert.equal(content.length, size, "a tar member is cut off");
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const kind = header.toString("latin1", 156, 157);
    if (kind === "x") pax = new Map([...pax, ...readPax(content)]);
    else if (kind === "L") pax.set("path", untilZero(content));
    else if (kind === "K") pax.set("linkpath", untilZero(content));
    else {
      assert.ok(kind in TYPES, `a tar member of type "${kind}"`);
      yield member(header, TYPES[kind as keyof typeof TYPES], pax, content);
      pax = new Map();
    }
  }
}

function member(header: Buffer, type: MemberType, pax: ReadonlyMap<string, Buffer>, content: Buffer): Member {
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? field(header, 345, 155) : Buffer.alloc(0);
  const short = field(header, 0, 100);
  const attribute = "SCHILY.xattr.";
  return {
    name: pax.get("path") ?? (prefix.length === 0 ? short : Buffer.concat([prefix, Buffer.from("/"), short])),
    type,
    mode: number(header, 100, 8) & 0o7777,
    uid: Number(pax.get("uid")?.toString() ?? number(header, 108, 8)),
    gid: Number(pax.get("gid")?.toString() ?? number(header, 116, 8)),
    mtime: Math.trunc(Number(pax.get("mtime")?.toString() ?? number(header, 136, 12))),
    link: pax.get("linkpath") ?? field(header, 157, 100),
    device: `${number(header, 329, 8)},${number(header, 337, 8)}`,
    attributes: new Map(
      [...pax].filter(([key]) => key.startsWith(attribute)).map(([key, value]) => [key.slice(attribute.length), value]),
    ),
    content,
  };
}

function checkSum(header: Buffer): void {
  const copy = Buffer.from(header);
  copy.fill(" ", 148, 156);
  assert.equal(
    number(header, 148, 8),
    copy.reduce((sum, byte) => sum + byte, 0),
    "checksum of a tar header",
  );
}

/** Records `LENGTH KEY=VALUE\n`; the value may be any bytes. */
function* readPax(content: Buffer): Generator<[string, Buffer]> {
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(" ", at);
    const length = Number(content.toString("latin1", at, space));
    const record = content.subarray(space + 1, at + length - 1);
    assert.equal(content[at + length - 1], 0x0a, "end of a pax record");
    const equals = record.indexOf("=");
    yield [record.toString("utf8", 0, equals), record.subarray(equals + 1)];
    at += length;
  }
}

/** Octal, or base 256 when the first bit is set. */
function number(header: Buffer, start: number, length: number): number {
  const bytes = header.subarray(start, start + length);
  if (((bytes[0] ?? 0) & 0x80) === 0) return Number.parseInt(untilZero(bytes).toString().trim() || "0", 8);
  return bytes.subarray(1).reduce((value, byte) => value * 256 + byte, (bytes[0] ?? 0) & 0x7f);
}

function field(header: Buffer, start: number, length: number): Buffer {
  return untilZero(header.subarray(start, start + length));
}

function untilZero(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
