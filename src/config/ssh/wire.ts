// The data types of the SSH protocol (RFC 4251, section 5): lengths before bytes, big-endian.

import { BuildError } from "../../../builder/core/errors.ts";

/** Reads values one after another. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0;
  }

  uint32(): number {
    return this.bytes(4).readUInt32BE(0);
  }

  /** A string of bytes; an mpint is one as well, with a leading zero where its first bit is set. */
  string(): Buffer {
    return this.bytes(this.uint32());
  }

  text(): string {
    return this.string().toString("latin1");
  }

  /** Throws `CONFIG` when there are fewer. */
  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new BuildError("CONFIG", "the data ends too early");
    const found = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return found;
  }
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A string: its length, then its bytes. */
export function string(value: string | Uint8Array): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** A number that is not negative, from its bytes in big-endian order. */
export function mpint(bytes: Uint8Array): Buffer {
  const value = withoutZeros(bytes);
  const first = value[0];
  return string(first !== undefined && first >= 0x80 ? Buffer.concat([Buffer.of(0), value]) : value);
}

/** Big-endian bytes without leading zeros. */
export function withoutZeros(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  return start < 0 ? new Uint8Array() : bytes.subarray(start);
}
