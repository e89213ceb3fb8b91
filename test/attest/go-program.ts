// An ELF file with what Go's linker writes about a build into it, and nothing that runs.

/** "inline" as since Go 1.18, "pointers" as before it; "without sections": only program headers say where data is. */
export type GoShape = "inline" | "pointers" | "without sections";

const SIZE = 300 << 10;
const DATA = 0x1000;
const NAMES = 0x8000;
const TEXTS = 0x9000;
/** Where the data lies when the program runs. */
const ADDRESS = 0x400000;
const MARK = Buffer.from("3077af0c9274080241e1c107e6d618e6f932433186182072008242104116d8f2", "hex");

/** The bytes of a program. */
export function goProgram(version: string, modules: string, shape: GoShape): Buffer {
  const file = Buffer.alloc(SIZE);
  const marked = Buffer.concat([MARK.subarray(0, 16), Buffer.from(modules), MARK.subarray(16)]);
  writeElf(file, shape === "without sections" ? 0 : 2);
  file.write("\xff Go buildinf:", DATA, "latin1");
  file[DATA + 14] = 8;
  if (shape === "pointers") {
    const texts = [Buffer.from(version), marked];
    texts.forEach((text, at) => {
      const place = TEXTS + at * 0x1000;
      const header = TEXTS - 0x100 + at * 16;
      text.copy(file, place);
      file.writeBigUInt64LE(BigInt(ADDRESS + header - DATA), DATA + 16 + at * 8);
      file.writeBigUInt64LE(BigInt(ADDRESS + place - DATA), header);
      file.writeBigUInt64LE(BigInt(text.length), header + 8);
    });
    return file;
  }
  file[DATA + 15] = 2;
  Buffer.concat([varint(version.length), Buffer.from(version), varint(marked.length), marked]).copy(file, DATA + 32);
  return file;
}

/** A 64-bit little-endian header, one segment of data, and sections for its names and for Go. */
function writeElf(file: Buffer, sections: number): void {
  file.write("\x7fELF\x02\x01\x01", 0, "latin1");
  file.writeBigUInt64LE(64n, 0x20);
  file.writeBigUInt64LE(sections === 0 ? 0n : 0x200n, 0x28);
  file.writeUInt16LE(56, 0x36);
  file.writeUInt16LE(1, 0x38);
  file.writeUInt16LE(64, 0x3a);
  file.writeUInt16LE(sections, 0x3c);
  file.writeUInt16LE(1, 0x3e);
  // PT_LOAD, readable and writable.
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(6, 68);
  file.writeBigUInt64LE(BigInt(DATA), 72);
  file.writeBigUInt64LE(BigInt(ADDRESS), 80);
  file.writeBigUInt64LE(BigInt(SIZE - DATA), 96);
  if (sections === 0) return;
  file.write("\0.go.buildinfo\0.shstrtab\0", NAMES, "latin1");
  const section = (at: number, name: number, offset: number, size: number): void => {
    file.writeUInt32LE(name, at);
    file.writeBigUInt64LE(BigInt(offset), at + 0x18);
    file.writeBigUInt64LE(BigInt(size), at + 0x20);
  };
  section(0x200, 1, DATA, NAMES - DATA);
  section(0x240, 15, NAMES, 64);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
