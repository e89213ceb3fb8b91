// The two messages that carry bulk, read and written by hand: parts of byte streams, and the packets in which files
// travel (fsutil, types/wire.proto). Field numbers are the protocol's.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { BytePath } from "../../../builder/core/bytes/byte-path.ts";
import { MalformedMessage } from "./message.ts";

/** A file as it is told of; `mode` is Go's FileMode. */
export interface Stat {
  readonly path: BytePath;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Nanoseconds since the epoch. */
  readonly modTime: bigint;
  /** Of a symlink its target, of a file with another name the path of the first one. */
  readonly link: BytePath;
  readonly major: number;
  readonly minor: number;
}

export type Packet =
  /** Without a stat: the list of files ends. */
  | { readonly kind: "stat"; readonly stat: Stat | undefined }
  | { readonly kind: "request"; readonly id: number }
  /** Without bytes: the file ends. */
  | { readonly kind: "data"; readonly id: number; readonly data: Uint8Array }
  | { readonly kind: "finish" }
  | { readonly kind: "error"; readonly message: string };

const TYPES = ["stat", "request", "data", "finish", "error"] as const;

/** The parts of a BytesMessage, so that `data` need not be copied. */
export function bytesMessage(data: Uint8Array): readonly Uint8Array[] {
  return [new BinaryWriter().tag(1, WireType.LengthDelimited).uint32(data.length).finish(), data];
}

/** The data of a BytesMessage. Throws `MalformedMessage`. */
export function readBytesMessage(message: Uint8Array): Uint8Array {
  return reading(() => {
    const reader = new BinaryReader(message);
    let data = new Uint8Array();
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      if (number === 1 && wire === WireType.LengthDelimited) data = subarray(reader, message);
      else reader.skip(wire, number);
    }
    return data;
  });
}

export function writePacket(packet: Packet): Uint8Array {
  const writer = new BinaryWriter();
  const type = TYPES.indexOf(packet.kind);
  if (type !== 0) writer.tag(1, WireType.Varint).int32(type);
  switch (packet.kind) {
    case "stat":
      if (packet.stat !== undefined) {
        writer.tag(2, WireType.LengthDelimited).fork();
        writeStat(writer, packet.stat);
        writer.join();
      }
      break;
    case "data":
      writer.tag(3, WireType.Varint).uint32(packet.id);
      writer.tag(4, WireType.LengthDelimited).bytes(packet.data);
      break;
    case "request":
      writer.tag(3, WireType.Varint).uint32(packet.id);
      break;
    case "error":
      writer.tag(4, WireType.LengthDelimited).string(packet.message);
      break;
    case "finish":
      break;
  }
  return writer.finish();
}

/** Throws `MalformedMessage`. The data of a packet lies in `message`. */
export function readPacket(message: Uint8Array): Packet {
  return reading(() => {
    const reader = new BinaryReader(message);
    let [type, id] = [0, 0];
    let stat: Stat | undefined;
    let data = new Uint8Array();
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      if (number === 1 && wire === WireType.Varint) type = reader.int32();
      else if (number === 2 && wire === WireType.LengthDelimited) stat = readStat(reader);
      else if (number === 3 && wire === WireType.Varint) id = reader.uint32();
      else if (number === 4 && wire === WireType.LengthDelimited) data = subarray(reader, message);
      else reader.skip(wire, number);
    }
    const kind = TYPES[type];
    if (kind === undefined) throw new MalformedMessage(`a packet of type ${type}`);
    switch (kind) {
      case "stat":
        return { kind, stat };
      case "request":
        return { kind, id };
      case "data":
        return { kind, id, data };
      case "finish":
        return { kind };
      case "error":
        return { kind, message: Buffer.from(data).toString("utf8") };
    }
  });
}

function writeStat(writer: BinaryWriter, stat: Stat): void {
  writer.tag(1, WireType.LengthDelimited).bytes(Buffer.from(stat.path, "latin1"));
  writer.tag(2, WireType.Varint).uint32(stat.mode);
  if (stat.uid !== 0) writer.tag(3, WireType.Varint).uint32(stat.uid);
  if (stat.gid !== 0) writer.tag(4, WireType.Varint).uint32(stat.gid);
  if (stat.size !== 0) writer.tag(5, WireType.Varint).int64(stat.size);
  if (stat.modTime !== 0n) writer.tag(6, WireType.Varint).int64(stat.modTime);
  if (stat.link !== "") writer.tag(7, WireType.LengthDelimited).bytes(Buffer.from(stat.link, "latin1"));
  if (stat.major !== 0) writer.tag(8, WireType.Varint).int64(stat.major);
  if (stat.minor !== 0) writer.tag(9, WireType.Varint).int64(stat.minor);
}

function readStat(reader: BinaryReader): Stat {
  const length = reader.uint32();
  const end = reader.pos + length;
  let [path, link] = ["", ""];
  let [mode, uid, gid, size, major, minor] = [0, 0, 0, 0, 0, 0];
  let modTime = 0n;
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    if (number === 1 && wire === WireType.LengthDelimited) path = byteText(reader);
    else if (number === 7 && wire === WireType.LengthDelimited) link = byteText(reader);
    else if (wire !== WireType.Varint || number === 0 || number > 9) reader.skip(wire, number);
    else if (number === 2) mode = reader.uint32();
    else if (number === 3) uid = reader.uint32();
    else if (number === 4) gid = reader.uint32();
    else if (number === 5) size = Number(reader.int64());
    else if (number === 6) modTime = BigInt(reader.int64());
    else if (number === 8) major = Number(reader.int64());
    else if (number === 9) minor = Number(reader.int64());
    else throw new MalformedMessage(`field ${number} of a stat has the wrong wire type`);
  }
  if (reader.pos !== end) throw new MalformedMessage("a stat is longer than its packet says");
  return { path, mode, uid, gid, size, modTime, link, major, minor };
}

/** Names are bytes: a client sends them as they are on its disk. */
function byteText(reader: BinaryReader): BytePath {
  return Buffer.from(reader.bytes()).toString("latin1");
}

function subarray(reader: BinaryReader, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = reader.uint32();
  const start = reader.pos;
  if (start + length > message.length) throw new MalformedMessage("a field is longer than its message");
  reader.pos = start + length;
  return new Uint8Array(message.buffer as ArrayBuffer, message.byteOffset + start, length); // from a socket, not shared
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedMessage) throw error;
    throw new MalformedMessage(error instanceof Error ? error.message : String(error));
  }
}
