// The little of an ELF file that finds a section by its name, or what lies at an address
// (System V ABI, chapters 4 and 5).

/** Reads a part of a file; shorter at its end. */
export type ReadPart = (offset: number, length: number) => Uint8Array;

/** A part of the file. */
export interface ElfPart {
  readonly offset: number;
  readonly size: number;
}

interface Shape {
  readonly is64: boolean;
  readonly isLittle: boolean;
}

interface Segment extends ElfPart {
  readonly address: number;
  readonly isWritable: boolean;
}

const HEADER_BYTES = 64;
const LOAD = 1;
const WRITABLE = 2;
/** No honest file has more of either. */
const MOST_ENTRIES = 4096;
const MOST_ENTRY_BYTES = 256;

export class ElfFile {
  readonly shape: Shape;
  readonly #read: ReadPart;
  readonly #header: DataView;

  private constructor(read: ReadPart, header: Uint8Array) {
    this.#read = read;
    this.#header = viewOf(header);
    this.shape = { is64: header[4] === 2, isLittle: header[5] === 1 };
  }

  /** Undefined for what is no ELF file. */
  static open(read: ReadPart): ElfFile | undefined {
    const header = read(0, HEADER_BYTES);
    const isElf = header.length === HEADER_BYTES && Buffer.from(header.subarray(0, 4)).toString("latin1") === "\x7fELF";
    return isElf ? new ElfFile(read, header) : undefined;
  }

  /** The section of a name. */
  section(name: string): ElfPart | undefined {
    const { is64 } = this.shape;
    const entries = this.#table(is64 ? 0x28 : 0x20, is64 ? 0x3a : 0x2e, is64 ? 0x3c : 0x30, is64 ? 64 : 40);
    const parts = entries.map((entry) => ({
      name: this.#u32(entry, 0),
      offset: this.#word(entry, is64 ? 0x18 : 0x10),
      size: this.#word(entry, is64 ? 0x20 : 0x14),
    }));
    const strings = parts[this.#header.getUint16(is64 ? 0x3e : 0x32, this.shape.isLittle)];
    if (strings === undefined) return undefined;
    const names = Buffer.from(this.#read(strings.offset, Math.min(strings.size, 1 << 20))).toString("latin1");
    return parts.find((part) => names.startsWith(`${name}\0`, part.name));
  }

  /** The first data of the program. */
  data(): ElfPart | undefined {
    return this.#segments().find(({ isWritable }) => isWritable);
  }

  /** What lies at an address when the program runs. */
  at(address: number, length: number): Uint8Array {
    const segment = this.#segments().find((each) => address >= each.address && address < each.address + each.size);
    return segment === undefined ? new Uint8Array() : this.#read(segment.offset + address - segment.address, length);
  }

  #segments(): readonly Segment[] {
    const { is64 } = this.shape;
    const entries = this.#table(is64 ? 0x20 : 0x1c, is64 ? 0x36 : 0x2a, is64 ? 0x38 : 0x2c, is64 ? 56 : 32);
    return entries
      .filter((entry) => this.#u32(entry, 0) === LOAD)
      .map((entry) => ({
        offset: this.#word(entry, is64 ? 0x08 : 0x04),
        address: this.#word(entry, is64 ? 0x10 : 0x08),
        size: this.#word(entry, is64 ? 0x20 : 0x10),
        isWritable: (this.#u32(entry, is64 ? 0x04 : 0x18) & WRITABLE) !== 0,
      }));
  }

  /** The entries of a table whose place, entry size and count the header says. */
  #table(offsetAt: number, sizeAt: number, countAt: number, least: number): readonly DataView[] {
    const offset = this.#word(this.#header, offsetAt);
    const size = this.#header.getUint16(sizeAt, this.shape.isLittle);
    const count = Math.min(this.#header.getUint16(countAt, this.shape.isLittle), MOST_ENTRIES);
    if (size < least || size > MOST_ENTRY_BYTES || offset === 0) return [];
    const bytes = this.#read(offset, size * count);
    return Array.from({ length: Math.floor(bytes.length / size) }, (_, at) =>
      viewOf(bytes.subarray(at * size, (at + 1) * size)),
    );
  }

  #u32(view: DataView, at: number): number {
    return view.getUint32(at, this.shape.isLittle);
  }

  /** An address or offset; larger than any file is Infinity, which reads as nothing. */
  #word(view: DataView, at: number): number {
    if (!this.shape.is64) return this.#u32(view, at);
    const value = view.getBigUint64(at, this.shape.isLittle);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
