// Sparse files in tars: where the stored bytes belong in the file. GNU tar has four ways
// to say it (its manual, "Storing Sparse Files"): the old header 'S', and pax 0.0, 0.1, 1.0.

import { invalidArchive, TAR_BLOCK } from "./tar-format.ts";
import type { PaxRecords } from "./pax.ts";
import { parsePaxNumber } from "./pax.ts";

/** A piece of the file that is stored in the archive; what lies between pieces is a hole. */
export interface SparsePiece {
  readonly offset: number;
  readonly length: number;
}

/** More pieces than this are an attack on memory. */
const MAX_PIECES = 1_000_000;

/** The map of pax 0.0 and 0.1; undefined when the records hold none. */
export function sparsePiecesOf(records: PaxRecords): SparsePiece[] | undefined {
  const map = records.findLast(([key]) => key === "GNU.sparse.map");
  if (map !== undefined) return pairs(map[1] === "" ? [] : map[1].split(",").map(parsePaxNumber));
  const numbers = records.filter(([key]) => key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes");
  if (numbers.length === 0) return undefined;
  return pairs(numbers.map(([, value]) => parsePaxNumber(value)));
}

/** Reads the four pieces of an old GNU header, or the 21 of one of its extension blocks. */
export function oldGnuPieces(
  block: Buffer,
  offset: number,
  count: number,
  number: (at: number) => number,
): SparsePiece[] {
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < count; i++) {
    const at = offset + i * 24;
    if (block[at] === 0) break;
    pieces.push({ offset: number(at), length: number(at + 12) });
  }
  return pieces;
}

/** Collects the map of pax 1.0: decimal lines (a count, then offset and length of each piece) at the start of the data, padded to a block. */
export class SparseMapReader {
  #numbers: number[] = [];
  #digits = "";
  #bytes = 0;

  /** Takes one whole block of data; gives the pieces once the last of them has come. */
  push(block: Buffer): SparsePiece[] | undefined {
    this.#bytes += TAR_BLOCK;
    for (const line of block.toString("latin1", 0, TAR_BLOCK).split(/(?<=\n)/)) {
      this.#digits += line;
      if (!line.endsWith("\n")) break;
      this.#numbers.push(parsePaxNumber(this.#digits.slice(0, -1)));
      this.#digits = "";
      const [count = 0] = this.#numbers;
      if (count > MAX_PIECES) throw invalidArchive("a sparse map has too many pieces");
      if (this.#numbers.length === 1 + 2 * count) return pairs(this.#numbers.slice(1));
    }
    return undefined;
  }

  /** Bytes of data that the map took so far. */
  get sizeBytes(): number {
    return this.#bytes;
  }
}

/** Throws unless pieces are in order, apart, within the file, and as long together as what is stored. */
export function checkPieces(pieces: readonly SparsePiece[], storedBytes: number, fileSize: number): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of pieces) {
    if (offset < end || offset + length > fileSize) throw invalidArchive("a sparse map is damaged");
    end = offset + length;
    total += length;
  }
  if (total !== storedBytes) throw invalidArchive("a sparse map does not fit its data");
}

function pairs(numbers: readonly number[]): SparsePiece[] {
  if (numbers.length % 2 !== 0 || numbers.length / 2 > MAX_PIECES) throw invalidArchive("a sparse map is damaged");
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < numbers.length; i += 2) pieces.push({ offset: numbers[i] ?? 0, length: numbers[i + 1] ?? 0 });
  return pieces;
}
