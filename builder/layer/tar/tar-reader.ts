// The tar reader: bytes are pushed in as they come, members come out through a sink, all
// of it synchronously (throughput.md). It reads v7, ustar, GNU and pax; what it cannot
// read it refuses by name. Names are handed on as they are: apply.ts makes them safe.

import { invalidArchive, paddingOf, TAR_BLOCK } from "./tar-format.ts";
import type { TarHeader } from "./tar-format.ts";
import type { PaxRecords } from "./pax.ts";
import { parsePax } from "./pax.ts";
import type { ReadHeader } from "./tar-fields.ts";
import { cString, number, verifyChecksum, verifyFirst } from "./tar-fields.ts";
import { readMemberHeader, typeflagOf, unknownType } from "./tar-header.ts";
import type { SparsePiece } from "./tar-sparse.ts";
import { checkPieces, oldGnuPieces, SparseMapReader } from "./tar-sparse.ts";

/** Takes the members of an archive in order. */
export interface TarSink {
  begin(header: TarHeader): void;
  /** Bytes of the member that began last, at their place in the file; valid during the call only. Places left out are zero. */
  data(bytes: Buffer, offset: number): void;
  /** The member is complete. */
  end(): void;
}

/** A name, link or pax header longer than this is an attack on memory. */
const MAX_META_BYTES = 4 << 20;

/** Reads one archive. */
export class TarReader {
  readonly #sink: TarSink;
  readonly #refused: string;
  /** Whether a member of a refused type came: these bytes are an archive, if not one to be read. */
  hasRefused = false;
  #state: "header" | "data" | "skip" | "meta" | "sparse-blocks" | "sparse-map" | "ended" = "header";
  /** A block that is split between chunks. */
  readonly #carry = Buffer.alloc(TAR_BLOCK);
  #carried = 0;
  /** Bytes of data still to come, and the padding after them. */
  #left = 0;
  #padding = 0;
  #meta: Buffer[] = [];
  #metaType = "";
  #globalPax: PaxRecords = [];
  #pax: PaxRecords = [];
  #longName: string | undefined;
  #longLink: string | undefined;
  #pieces: SparsePiece[] | undefined;
  #piece = 0;
  #offset = 0;
  #mapReader: SparseMapReader | undefined;
  #header: TarHeader | undefined;
  #sawHeader = false;
  #sawEmptyBlock = false;

  /** `refused`: letters of types that are an error, though they could be read or left out. */
  constructor(sink: TarSink, refused = "") {
    this.#sink = sink;
    this.#refused = refused;
  }

  /** Takes the next bytes. Throws `ARCHIVE_INVALID`. */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case "ended":
          return; // what follows the end is padding to the writer's record size
        case "header":
        case "sparse-blocks":
        case "sparse-map": {
          const available = bytes.length - at;
          if (this.#carried === 0 && available >= TAR_BLOCK) {
            this.#takeBlock(bytes.subarray(at, at + TAR_BLOCK));
            at += TAR_BLOCK;
            break;
          }
          const taken = Math.min(TAR_BLOCK - this.#carried, available);
          bytes.copy(this.#carry, this.#carried, at, at + taken);
          this.#carried += taken;
          at += taken;
          if (this.#carried === TAR_BLOCK) {
            this.#carried = 0;
            this.#takeBlock(this.#carry);
          }
          break;
        }
        case "data":
        case "meta":
        case "skip": {
          const taken = Math.min(this.#left, bytes.length - at);
          if (taken > 0) this.#takeData(bytes.subarray(at, at + taken));
          at += taken;
          this.#left -= taken;
          if (this.#left === 0) this.#dataEnded();
          break;
        }
      }
    }
  }

  /** Whether the archive's end has come: whatever follows is none of it. */
  get isAtEnd(): boolean {
    return this.#state === "ended";
  }

  /** The input is at its end. Throws `ARCHIVE_INVALID` when that is in the middle of a member. */
  end(): void {
    if (this.#state === "ended") return;
    if (!this.#sawHeader && !this.#sawEmptyBlock && this.#carried > 0)
      throw invalidArchive(`it is no tar: it has ${this.#carried} bytes, less than a header`);
    const isBetweenMembers = this.#state === "header" && this.#carried === 0 && this.#pax.length === 0;
    if (!isBetweenMembers || this.#longName !== undefined || this.#longLink !== undefined) {
      throw invalidArchive("it ends in the middle of a member (truncated)", this.#header?.name);
    }
  }

  #takeBlock(block: Buffer): void {
    if (this.#state === "header") this.#takeHeader(block);
    else if (this.#state === "sparse-blocks") this.#takeSparseBlock(block);
    else this.#takeSparseMap(block);
  }

  #takeHeader(block: Buffer): void {
    if (block[0] === 0 && block[TAR_BLOCK - 1] === 0 && block.equals(EMPTY_BLOCK)) {
      if (this.#sawEmptyBlock) this.#state = "ended";
      this.#sawEmptyBlock = true;
      return;
    }
    if (this.#sawEmptyBlock) throw invalidArchive("a member follows an empty block");
    if (this.#sawHeader) verifyChecksum(block);
    else verifyFirst(block);
    this.#sawHeader = true;
    const typeflag = typeflagOf(block);
    if (this.#refused.includes(typeflag)) {
      this.hasRefused = true;
      throw unknownType(typeflag, cString(block, 0, 100));
    }
    switch (typeflag) {
      case "x":
      case "X":
      case "g":
      case "L":
      case "K":
        this.#metaType = typeflag;
        this.#left = number(block, 124, 12);
        if (this.#left > MAX_META_BYTES) throw invalidArchive("an extended header is too long");
        this.#begin("meta");
        return;
      case "V": // GNU volume label
      case "D": // GNU dump directory: a list of names, no content
      case "A": // Solaris ACL
        this.#left = number(block, 124, 12);
        this.#forgetExtensions();
        this.#begin("skip");
        return;
      default:
        this.#takeMember(block, typeflag);
    }
  }

  #takeMember(block: Buffer, typeflag: string): void {
    const pax = this.#globalPax.length === 0 ? this.#pax : [...this.#globalPax, ...this.#pax];
    const found = readMemberHeader(block, { pax, longName: this.#longName, longLink: this.#longLink });
    this.#longName = this.#longLink = undefined;
    this.#pax = [];
    if (found.type !== "file") {
      // Go's reader and GNU tar's agree: links and directories have no data, whatever the size field says.
      found.size = 0;
      this.#left = 0;
      this.#start(found);
      return;
    }
    this.#left = found.size;
    if (typeflag === "S" || found.sparse !== undefined) this.#beginSparse(block, typeflag, found);
    else this.#start(found);
  }

  #beginSparse(block: Buffer, typeflag: string, header: ReadHeader): void {
    const { sparse } = header;
    delete header.sparse;
    this.#padding = paddingOf(this.#left);
    if (typeflag === "S") {
      this.#pieces = oldGnuPieces(block, 386, 4, (at) => number(block, at, 12));
      header.size = number(block, 483, 12);
      this.#header = header;
      if (block[482] !== 0) this.#state = "sparse-blocks";
      else this.#startSparse();
      return;
    }
    header.size = sparse?.realSize ?? header.size;
    this.#header = header;
    this.#pieces = sparse?.pieces;
    if (this.#pieces !== undefined) {
      this.#startSparse();
      return;
    }
    if (sparse?.isVersion1 !== true) throw invalidArchive("its sparse format is not known", header.name);
    this.#mapReader = new SparseMapReader();
    this.#state = "sparse-map";
  }

  #takeSparseBlock(block: Buffer): void {
    this.#pieces?.push(...oldGnuPieces(block, 0, 21, (at) => number(block, at, 12)));
    if (block[504] === 0) this.#startSparse();
  }

  #takeSparseMap(block: Buffer): void {
    this.#left -= TAR_BLOCK;
    if (this.#left < 0) throw invalidArchive("a sparse map is cut", this.#header?.name);
    this.#pieces = this.#mapReader?.push(block);
    if (this.#pieces !== undefined) this.#startSparse();
  }

  #startSparse(): void {
    const header = this.#header;
    if (header === undefined || this.#pieces === undefined) throw invalidArchive("a sparse map is damaged");
    checkPieces(this.#pieces, this.#left, header.size);
    this.#piece = 0;
    this.#offset = this.#pieces[0]?.offset ?? 0;
    this.#sink.begin(header);
    this.#enter("data");
  }

  #start(header: TarHeader): void {
    this.#header = header;
    this.#pieces = undefined;
    this.#offset = 0;
    this.#sink.begin(header);
    this.#begin("data");
  }

  #begin(state: "data" | "meta" | "skip"): void {
    this.#padding = paddingOf(this.#left);
    this.#enter(state);
  }

  #enter(state: "data" | "meta" | "skip"): void {
    this.#state = state;
    if (this.#left === 0) this.#dataEnded();
  }

  #takeData(bytes: Buffer): void {
    if (this.#state === "skip") return;
    if (this.#state === "meta") {
      this.#meta.push(Buffer.from(bytes));
      return;
    }
    if (this.#pieces === undefined) {
      this.#sink.data(bytes, this.#offset);
      this.#offset += bytes.length;
      return;
    }
    let at = 0;
    while (at < bytes.length) {
      const piece = this.#pieces[this.#piece];
      if (piece === undefined) return;
      const taken = Math.min(piece.offset + piece.length - this.#offset, bytes.length - at);
      if (taken > 0) this.#sink.data(bytes.subarray(at, at + taken), this.#offset);
      at += taken;
      this.#offset += taken;
      if (this.#offset === piece.offset + piece.length) this.#offset = this.#pieces[++this.#piece]?.offset ?? 0;
    }
  }

  #dataEnded(): void {
    const ended = this.#state;
    if (ended === "data") this.#sink.end();
    if (ended === "meta") this.#takeMeta(Buffer.concat(this.#meta));
    this.#meta = [];
    this.#left = this.#padding;
    this.#padding = 0;
    this.#state = this.#left > 0 ? "skip" : "header";
  }

  #takeMeta(bytes: Buffer): void {
    if (this.#metaType === "g") this.#globalPax = [...this.#globalPax, ...parsePax(bytes)];
    else if (this.#metaType === "L") this.#longName = cString(bytes, 0, bytes.length);
    else if (this.#metaType === "K") this.#longLink = cString(bytes, 0, bytes.length);
    else this.#pax = [...this.#pax, ...parsePax(bytes)];
    if (this.#globalPax.length > 10_000) throw invalidArchive("it has too many global records");
  }

  #forgetExtensions(): void {
    this.#longName = this.#longLink = undefined;
    this.#pax = [];
  }
}

const EMPTY_BLOCK = Buffer.alloc(TAR_BLOCK);
