// What a Go program says of itself: its Go, its module and those compiled into it (Go,
// debug/buildinfo). It lies in a section of its own.

import type { ReadPart } from "./elf.ts";
import { ElfFile } from "./elf.ts";

/** A module; `version` is "(devel)" for one that was built where it lay, and "" for a program built without modules. */
export interface GoModule {
  readonly path: string;
  readonly version: string;
}

export interface GoBuildInfo {
  /** "go1.22.1". */
  readonly goVersion: string;
  /** The program's own module first. */
  readonly modules: readonly GoModule[];
}

const MAGIC = Buffer.from("\xff Go buildinf:", "latin1");
const HEADER_BYTES = 32;
const MOST_BYTES = 4 << 20;
const INLINE = 2;
const BIG_ENDIAN = 1;

/** Reads it; undefined for what is no Go program. */
export function readGoBuildInfo(read: ReadPart): GoBuildInfo | undefined {
  const elf = ElfFile.open(read);
  const place = elf?.section(".go.buildinfo") ?? elf?.data();
  if (elf === undefined || place === undefined) return undefined;
  const bytes = Buffer.from(read(place.offset, Math.min(place.size, MOST_BYTES)));
  const start = bytes.indexOf(MAGIC);
  if (start < 0 || start % 16 !== 0 || bytes.length < start + HEADER_BYTES) return undefined;
  const flags = bytes[start + 15] ?? 0;
  const [version = "", modules = ""] =
    (flags & INLINE) !== 0
      ? inlineTexts(bytes.subarray(start + HEADER_BYTES))
      : pointedTexts(bytes.subarray(start), elf, (flags & BIG_ENDIAN) === 0);
  return version === "" ? undefined : { goVersion: version, modules: parseModules(modules) };
}

/** Since Go 1.18: two texts, each behind its length as a varint. */
function inlineTexts(bytes: Buffer): string[] {
  const texts: string[] = [];
  let at = 0;
  for (let count = 0; count < 2; count++) {
    let length = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[at++] ?? 0;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    texts.push(bytes.toString("utf8", at, at + length));
    at += length;
  }
  return texts;
}

/** Before: two addresses of Go texts, each of which is an address and a length. */
function pointedTexts(header: Buffer, elf: ElfFile, isLittle: boolean): string[] {
  const size = header[14] === 4 ? 4 : 8;
  const number = (bytes: Uint8Array, at: number): number => {
    if (bytes.length < at + size) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return size === 4 ? view.getUint32(at, isLittle) : Number(view.getBigUint64(at, isLittle));
  };
  return [0, 1].map((which) => {
    const text = elf.at(number(header, 16 + which * size), 2 * size);
    const [address, length] = [number(text, 0), number(text, size)];
    return length > MOST_BYTES ? "" : Buffer.from(elf.at(address, length)).toString("utf8");
  });
}

/**
 * Lines "mod path version sum", "dep path version sum", each with "=> path version sum" behind it where it was replaced.
 * Sixteen bytes mark each end of the text for those who search the whole program.
 */
function parseModules(text: string): readonly GoModule[] {
  const found: GoModule[] = [];
  let program = "";
  for (const line of text.slice(Math.max(0, text.indexOf("path\t"))).split("\n")) {
    const [kind = "", path = "", version = ""] = line.split("\t");
    if (kind === "path") program = path;
    if (path === "" || version === "") continue;
    if (kind === "=>") found.pop();
    if (kind === "mod" || kind === "dep" || kind === "=>") found.push({ path, version });
  }
  const isNamed = program !== "" && program !== "command-line-arguments";
  return found.length > 0 || !isNamed ? found : [{ path: program, version: "" }];
}
