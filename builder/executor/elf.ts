// ELF, as far as one must know it to tell for which machine a program is, and to make the
// smallest one that ends well (gABI, ELF Header and Program Header; each architecture's
// system call for exit).

interface Machine {
  /** e_machine. */
  readonly number: number;
  readonly bits: 32 | 64;
  readonly isBig: boolean;
  /** qemu's name of it. */
  readonly name: string;
  /** Instructions that call exit(0), as hex in the order in which they lie in memory. */
  readonly exit: string;
}

const MACHINES: Readonly<Record<string, Machine>> = {
  amd64: { number: 62, bits: 64, isBig: false, name: "x86_64", exit: "b83c00000031ff0f05" },
  "386": { number: 3, bits: 32, isBig: false, name: "i386", exit: "b80100000031dbcd80" },
  arm64: { number: 183, bits: 64, isBig: false, name: "aarch64", exit: "a80b80d2000080d2010000d4" },
  arm: { number: 40, bits: 32, isBig: false, name: "arm", exit: "0170a0e30000a0e3000000ef" },
  riscv64: { number: 243, bits: 64, isBig: false, name: "riscv64", exit: "9308d0051305000073000000" },
  ppc64le: { number: 21, bits: 64, isBig: false, name: "ppc64le", exit: "010000380000603802000044" },
  s390x: { number: 22, bits: 64, isBig: true, name: "s390x", exit: "a72800000a01" },
  mips64le: { number: 8, bits: 64, isBig: false, name: "mips64el", exit: "c2130224000004240c000000" },
  loong64: { number: 258, bits: 64, isBig: false, name: "loongarch64", exit: "0b74810204008002" + "00002b00" },
};

/** Bytes from a program's start that `machineOf` wants to see. */
export const ELF_HEAD_BYTES = 20;

/** The architectures ("arm64") that a program may be for; empty when it is no ELF file, undefined when it is for none we know. */
export function architecturesOf(head: Uint8Array): readonly string[] | undefined {
  if (head.length < ELF_HEAD_BYTES || Buffer.from(head.subarray(0, 4)).toString("latin1") !== "\x7fELF") return [];
  const [bits, isBig] = [head[4] === 2 ? 64 : 32, head[5] === 2];
  const view = Buffer.from(head);
  const number = isBig ? view.readUInt16BE(18) : view.readUInt16LE(18);
  const found = Object.entries(MACHINES).filter(
    ([, machine]) => machine.number === number && machine.bits === bits && machine.isBig === isBig,
  );
  return found.length === 0 ? undefined : found.map(([architecture]) => architecture);
}

/** What qemu calls an architecture. */
export function machineNames(architecture: string): readonly string[] {
  const machine = MACHINES[architecture];
  return machine === undefined ? [] : [machine.name];
}

const BASE = 0x400000;

/** A program that ends with 0 and needs nothing; undefined for an architecture we do not know. */
export function elfProgram(architecture: string): Uint8Array | undefined {
  const machine = MACHINES[architecture];
  if (machine === undefined) return undefined;
  const code = Buffer.from(machine.exit, "hex");
  const [headerBytes, segmentBytes] = machine.bits === 64 ? [64, 56] : [52, 32];
  const start = headerBytes + segmentBytes;
  const file = Buffer.alloc(start + code.length);
  const word = (value: number, at: number, bytes: number): void => {
    if (machine.isBig) file.writeUIntBE(value, at + Math.max(0, bytes - 6), Math.min(bytes, 6));
    else file.writeUIntLE(value, at, Math.min(bytes, 6));
  };
  file.set([0x7f, 0x45, 0x4c, 0x46, machine.bits === 64 ? 2 : 1, machine.isBig ? 2 : 1, 1]);
  const address = machine.bits / 8;
  word(2, 16, 2); // ET_EXEC
  word(machine.number, 18, 2);
  word(1, 20, 4);
  word(BASE + start, 24, address); // e_entry
  word(headerBytes, 24 + address, address); // e_phoff
  const sizes = 24 + 3 * address + 4; // after e_shoff and e_flags
  if (machine.name === "ppc64le") word(2, sizes - 4, 4); // ELFv2
  word(headerBytes, sizes, 2);
  word(segmentBytes, sizes + 2, 2);
  word(1, sizes + 4, 2);
  const segment = headerBytes;
  word(1, segment, 4); // PT_LOAD
  const size = file.length;
  // p_flags (read, execute) stands second in 64 bits, after the sizes in 32.
  word(5, segment + (machine.bits === 64 ? 4 : 24), 4);
  const first = segment + (machine.bits === 64 ? 8 : 4); // p_offset stays 0
  word(BASE, first + address, address); // p_vaddr
  word(BASE, first + 2 * address, address);
  word(size, first + 3 * address, address);
  word(size, first + 4 * address, address);
  word(0x1000, machine.bits === 64 ? segment + 48 : segment + 28, address);
  file.set(code, start);
  return file;
}
