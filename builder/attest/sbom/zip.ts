// The little of a zip file that finds its members and reads some of them (APPNOTE 4.3, 4.4): the directory at its end,
// stored and deflated members. No zip64, no encryption: jars have neither.

import { inflateRawSync } from "node:zlib";
import type { ReadPart } from "./elf.ts";

/** A member, where its directory says that it lies. */
export interface ZipMember {
  readonly name: string;
  readonly method: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly headerOffset: number;
}

const END_BYTES = 22;
const MOST_COMMENT_BYTES = 0xffff;
const MOST_DIRECTORY_BYTES = 64 << 20;
const STORED = 0;
const DEFLATED = 8;

/** The members of a file of so many bytes. Throws for what is no zip file. */
export function zipMembers(read: ReadPart, sizeBytes: number): readonly ZipMember[] {
  const tailAt = Math.max(0, sizeBytes - END_BYTES - MOST_COMMENT_BYTES);
  const tail = Buffer.from(read(tailAt, sizeBytes - tailAt));
  const end = tail.lastIndexOf("PK\x05\x06", undefined, "latin1");
  if (end < 0 || end + END_BYTES > tail.length) throw new Error("it is no zip file");
  const [size, offset] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  if (size > MOST_DIRECTORY_BYTES) throw new Error("its directory is too long");
  const directory = Buffer.from(read(offset, size));
  const members: ZipMember[] = [];
  for (let at = 0; at + 46 <= directory.length && directory.toString("latin1", at, at + 4) === "PK\x01\x02";) {
    const [name, extra, comment] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ]; // three fields
    members.push({
      name: directory.toString("utf8", at + 46, at + 46 + name),
      method: directory.readUInt16LE(at + 10),
      packedBytes: directory.readUInt32LE(at + 20),
      sizeBytes: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    });
    at += 46 + name + extra + comment;
  }
  return members;
}

/** The bytes of a member, at most `mostBytes`. Throws when it is longer, or damaged. */
export function readZipMember(read: ReadPart, member: ZipMember, mostBytes: number): Uint8Array {
  const { method, packedBytes, sizeBytes } = member;
  if (sizeBytes > mostBytes) throw new Error(`its member "${member.name}" is larger than ${mostBytes} bytes`);
  const packed = read(dataOffset(read, member), packedBytes);
  if (method === STORED) return packed;
  if (method !== DEFLATED) throw new Error(`its member "${member.name}" is compressed in a way that is not read`);
  return inflateRawSync(packed, { maxOutputLength: Math.max(1, sizeBytes) });
}

/** The part of the file that is a stored member; undefined when it is compressed. */
export function storedMember(read: ReadPart, member: ZipMember): ReadPart | undefined {
  if (member.method !== STORED) return undefined;
  const start = dataOffset(read, member);
  return (offset, length) => read(start + offset, Math.max(0, Math.min(length, member.packedBytes - offset)));
}

/** Behind a header with a name and an extra field of its own. */
function dataOffset(read: ReadPart, { name, headerOffset }: ZipMember): number {
  const header = Buffer.from(read(headerOffset, 30));
  if (header.length < 30 || header.toString("latin1", 0, 4) !== "PK\x03\x04")
    throw new Error(`its member "${name}" is not where its directory says`);
  return headerOffset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
}
