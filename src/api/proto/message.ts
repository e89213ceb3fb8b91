// Protocol Buffers messages as tables of fields: a table gives the type, the encoder and the decoder. The numbers in
// the tables are the protocol's, the names are ours. What is not in a table is skipped, as the format wants it.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Bytes that are no message of their type. */
export class MalformedMessage extends Error {
  constructor(what: string) {
    super(`malformed message: ${what}`);
    this.name = "MalformedMessage";
  }
}

/** How one value travels. */
export interface Kind<T> {
  readonly wire: WireType;
  write(writer: BinaryWriter, value: T): void;
  read(reader: BinaryReader): T;
}

/** One field: its number, what it is when it is absent, and how it is written and read. */
export interface Field<T> {
  readonly number: number;
  absent(): T;
  write(writer: BinaryWriter, value: T): void;
  /** The value with what `reader` stands at taken in. */
  read(reader: BinaryReader, wire: WireType, before: T): T;
}

/** A message's fields by our names. */
export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

/** A type of messages. */
export interface MessageType<T> {
  /** What is left out has its default. */
  encode(value: Partial<T>): Uint8Array<ArrayBuffer>;
  /** Throws `MalformedMessage`. */
  decode(bytes: Uint8Array): T;
  readonly kind: Kind<T>;
}

/** The values of a type of messages. */
export type Of<M> = M extends MessageType<infer T> ? T : never;

/** A type of messages from its table. */
export function message<T extends object>(fields: Fields<T>): MessageType<T> {
  const table = Object.entries(fields) as [string & keyof T, Field<unknown>][]; // keys of a mapped type are its own
  const byNumber = new Map(table.map(([name, field]) => [field.number, { name, field }]));
  const write = (writer: BinaryWriter, value: Partial<T>): void => {
    for (const [name, field] of table) if (value[name] !== undefined) field.write(writer, value[name]);
  };
  const read = (reader: BinaryReader, end: number): T => {
    const found: Record<string, unknown> = {};
    for (const [name, field] of table) found[name] = field.absent();
    while (reader.pos < end) {
      const [number, wire] = reader.tag();
      const known = byNumber.get(number);
      if (known === undefined) reader.skip(wire, number);
      else found[known.name] = known.field.read(reader, wire, found[known.name]);
    }
    if (reader.pos !== end) throw new MalformedMessage("a field is longer than its message");
    return found as T; // every field of the table was given its own kind of value
  };
  return {
    encode(value) {
      const writer = new BinaryWriter();
      write(writer, value);
      return writer.finish();
    },
    decode(bytes) {
      try {
        return read(new BinaryReader(bytes), bytes.length);
      } catch (error) {
        if (error instanceof MalformedMessage) throw error;
        throw new MalformedMessage(error instanceof Error ? error.message : String(error));
      }
    },
    kind: {
      wire: WireType.LengthDelimited,
      write(writer, value) {
        writer.fork();
        write(writer, value);
        writer.join();
      },
      read(reader) {
        const length = reader.uint32();
        return read(reader, reader.pos + length);
      },
    },
  };
}

const STRING: Kind<string> = {
  wire: WireType.LengthDelimited,
  write: (writer, value) => void writer.string(value),
  read: (reader) => reader.string(),
};

const BYTES: Kind<Uint8Array> = {
  wire: WireType.LengthDelimited,
  write: (writer, value) => void writer.bytes(value),
  read: (reader) => reader.bytes(),
};

const BOOL: Kind<boolean> = {
  wire: WireType.Varint,
  write: (writer, value) => void writer.bool(value),
  read: (reader) => reader.bool(),
};

/** All integers that fit a number; others are cut to the nearest that does. */
const INT: Kind<number> = {
  wire: WireType.Varint,
  write: (writer, value) => void writer.int64(Math.trunc(value)),
  read: (reader) => Number(reader.int64()),
};

const BIG: Kind<bigint> = {
  wire: WireType.Varint,
  write: (writer, value) => void writer.int64(value),
  read: (reader) => BigInt(reader.int64()),
};

const FIXED64: Kind<bigint> = {
  wire: WireType.Bit64,
  write: (writer, value) => void writer.fixed64(value),
  read: (reader) => BigInt(reader.fixed64()),
};

const FIXED32: Kind<number> = {
  wire: WireType.Bit32,
  write: (writer, value) => void writer.fixed32(value),
  read: (reader) => reader.fixed32(),
};

const DOUBLE: Kind<number> = {
  wire: WireType.Bit64,
  write: (writer, value) => void writer.double(value),
  read: (reader) => reader.double(),
};

/** google.protobuf.Timestamp as ms since the epoch. */
const TIME: Kind<number> = {
  wire: WireType.LengthDelimited,
  write(writer, ms) {
    const seconds = Math.floor(ms / 1000);
    writer.fork();
    writer.tag(1, WireType.Varint).int64(seconds);
    const nanos = Math.floor((ms - seconds * 1000) * 1e6);
    if (nanos !== 0) writer.tag(2, WireType.Varint).int32(nanos);
    writer.join();
  },
  read(reader) {
    const { seconds, nanos } = Timestamp.kind.read(reader);
    return seconds * 1000 + nanos / 1e6;
  },
};

export const string = (number: number): Field<string> => plain(number, STRING, () => "");
export const bytes = (number: number): Field<Uint8Array> => plain(number, BYTES, () => new Uint8Array());
export const bool = (number: number): Field<boolean> => plain(number, BOOL, () => false);
export const int = (number: number): Field<number> => plain(number, INT, () => 0);
/** An integer of more than 53 bits. */
export const bigInt = (number: number): Field<bigint> => plain(number, BIG, () => 0n);
/** An integer of which 0 is not the same as none. */
export const maybeInt = (number: number): Field<number | undefined> => optional(number, INT);
/** Of a choice: what is there counts, also where it is the default. */
export const maybeString = (number: number): Field<string | undefined> => optional(number, STRING);
export const maybeBool = (number: number): Field<boolean | undefined> => optional(number, BOOL);
export const maybeDouble = (number: number): Field<number | undefined> => optional(number, DOUBLE);
export const fixed64 = (number: number): Field<bigint> => plain(number, FIXED64, () => 0n);
export const fixed32 = (number: number): Field<number> => plain(number, FIXED32, () => 0);
export const time = (number: number): Field<number | undefined> => optional(number, TIME);
export const strings = (number: number): Field<readonly string[]> => list(number, STRING);
/** Integers, packed or not (protobuf.dev, encoding, Packed Repeated Fields). */
export const ints = (number: number): Field<readonly number[]> => ({
  ...list(number, INT),
  read(reader, wire, before) {
    const found = before as number[]; // it is the list that absent() made
    if (wire !== WireType.LengthDelimited) return [...found, readOne(reader, wire, number, INT)];
    const packed = new BinaryReader(reader.bytes());
    while (packed.pos < packed.len) found.push(INT.read(packed));
    return found;
  },
});
export const bytesList = (number: number): Field<readonly Uint8Array[]> => list(number, BYTES);

/** A message that may be absent. */
export const one = <T>(number: number, type: MessageType<T>): Field<T | undefined> => optional(number, type.kind);
/** Any number of messages. */
export const many = <T>(number: number, type: MessageType<T>): Field<readonly T[]> => list(number, type.kind);
export const stringMap = (number: number): Field<ReadonlyMap<string, string>> => map(number, STRING);
export const boolMap = (number: number): Field<ReadonlyMap<string, boolean>> => map(number, BOOL);
export const bytesMap = (number: number): Field<ReadonlyMap<string, Uint8Array>> => map(number, BYTES);
export const messageMap = <T>(number: number, type: MessageType<T>): Field<ReadonlyMap<string, T>> =>
  map(number, type.kind);
export const intMessageMap = <T>(number: number, type: MessageType<T>): Field<ReadonlyMap<number, T>> =>
  map(number, type.kind, int(1));

const Timestamp: MessageType<{ readonly seconds: number; readonly nanos: number }> = message({
  seconds: int(1),
  nanos: int(2),
});

function plain<T>(number: number, kind: Kind<T>, absent: () => T): Field<T> {
  const isDefault = (value: T): boolean => (value instanceof Uint8Array ? value.length === 0 : value === absent());
  return {
    number,
    absent,
    write: (writer, value) => {
      if (!isDefault(value)) writeOne(writer, number, kind, value);
    },
    read: (reader, wire) => readOne(reader, wire, number, kind),
  };
}

function optional<T>(number: number, kind: Kind<T>): Field<T | undefined> {
  return {
    number,
    absent: () => undefined,
    write: (writer, value) => {
      if (value !== undefined) writeOne(writer, number, kind, value);
    },
    read: (reader, wire) => readOne(reader, wire, number, kind),
  };
}

function list<T>(number: number, kind: Kind<T>): Field<readonly T[]> {
  return {
    number,
    absent: () => [],
    write: (writer, values) => {
      for (const value of values) writeOne(writer, number, kind, value);
    },
    read(reader, wire, before) {
      (before as T[]).push(readOne(reader, wire, number, kind)); // it is the list that absent() made
      return before;
    },
  };
}

function map<T>(number: number, kind: Kind<T>): Field<ReadonlyMap<string, T>>;
function map<K, T>(number: number, kind: Kind<T>, keys: Field<K>): Field<ReadonlyMap<K, T>>;
function map<T>(number: number, kind: Kind<T>, keys: Field<unknown> = string(1)): Field<ReadonlyMap<unknown, T>> {
  const entry = message<{ key: unknown; value: T | undefined }>({ key: keys, value: optional(2, kind) });
  return {
    number,
    absent: () => new Map(),
    write(writer, values) {
      for (const [key, value] of values) writeOne(writer, number, entry.kind, { key, value });
    },
    read(reader, wire, before) {
      const { key, value = emptyOf(kind) } = readOne(reader, wire, number, entry.kind);
      return (before as Map<unknown, T>).set(key, value); // it is the map that absent() made
    },
  };
}

/** An absent value of a map is its kind's default, and so is what no bytes decode to. */
function emptyOf<T>(kind: Kind<T>): T {
  return kind.read(new BinaryReader(new Uint8Array(1)));
}

function writeOne<T>(writer: BinaryWriter, number: number, kind: Kind<T>, value: T): void {
  writer.tag(number, kind.wire);
  kind.write(writer, value);
}

function readOne<T>(reader: BinaryReader, wire: WireType, number: number, kind: Kind<T>): T {
  if (wire !== kind.wire) throw new MalformedMessage(`field ${number} has wire type ${wire}, not ${kind.wire}`);
  return kind.read(reader);
}
