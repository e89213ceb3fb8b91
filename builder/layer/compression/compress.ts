// Compression of a layer, block by block (block-cutter.ts). The blocks go through zlib's
// thread pool, a few at a time, and come out in order: the bytes depend on the cut
// and the level, never on the machine. (The pool has four threads; UV_THREADPOOL_SIZE can
// only be set before the process starts.)
//
// gzip: one header, each block deflated on its own and flushed to a byte border, an empty
// final block, one trailer; to every reader one ordinary gzip member.
// zstd: each block is a frame with its content size and checksum.

import { closeSync, fdatasync, fsyncSync, openSync, rmSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Digest } from "../../core/digest.ts";
import { Digester, digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { writeAll } from "../../core/system/write-all.ts";
import { compressBlock, decompressBlock, DEFAULT_LEVEL, freeAtOnce } from "./block-codec.ts";
import type { CompressionOptions } from "../jobs/jobs.ts";
import type { PortableDeflate } from "./portable-deflate.ts";

/** Where a compressed block lies in its blob. */
export interface BlockPlace {
  readonly offset: number;
  readonly length: number;
  readonly digest: Digest;
}

/** A compressed block that was found: bytes that nobody else holds. */
export interface KnownBlock {
  readonly input: Digest;
  readonly bytes: Uint8Array;
  /** Of `bytes`. */
  readonly digest: Digest;
}

/** Knows compressed blocks by the digest of their input; valid for one compression and level. */
export interface BlockCache {
  get(input: Digest): KnownBlock | undefined;
  /** Is told of each block of the blob that is written, in order; of zeros no digest is known. */
  put(input: Digest | undefined, place: BlockPlace): void;
}

/** A finished blob. */
export interface CompressedBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Of the uncompressed bytes. */
  readonly diffId: Digest;
  readonly uncompressedSize: number;
}

/** Whether the options make sense. Throws `USAGE`. */
function checkCompression(options: CompressionOptions): void {
  const { compression, level, encoder } = options;
  const most = compression === "gzip" ? 9 : compression === "zstd" ? 22 : 0;
  if (level !== undefined && !(Number.isInteger(level) && level >= 0 && level <= most)) {
    throw new BuildError("USAGE", `"${level}" is no compression level of ${compression}`, {
      hint: compression === "uncompressed" ? "it has none" : `levels are 0 to ${most}`,
    });
  }
  if (encoder === "portable" && compression !== "gzip") {
    throw new BuildError("USAGE", `the portable encoder writes gzip, not ${compression}`);
  }
}

interface BlobOptions extends CompressionOptions {
  /** All of it is on the disk at the end. */
  readonly sync: boolean;
}

/** A block of an earlier blob does not hold what it should. */
export class DamagedBlock extends Error {}

/** Writes one compressed file from blocks. Not finished, it is removed by `abandon`. */
export class BlobWriter {
  readonly #options: CompressionOptions;
  readonly #file: string;
  readonly #fd: number;
  readonly #cache: BlockCache | undefined;
  readonly #input = new Digester();
  readonly #output = new Digester();
  readonly #inFlight: Promise<QueuedBlock>[] = [];
  readonly #free: Buffer[] = [];
  #crc = 0;
  #portable: PortableDeflate | undefined;
  /** How many blocks were given to it. */
  blocks = 0;
  /** Blocks of zeros, as sparse files have by the thousand, are compressed once. */
  readonly #zeros = new Map<number, Uint8Array>();
  #isOpen = true;
  readonly #isSynced: boolean;
  #unsyncedBytes = 0;
  /** What has been written is being brought to the disk. */
  #syncing: Promise<void> | undefined;
  #syncFault: Error | null = null;

  /** Creates the file, or empties the one its caller has set aside. */
  private constructor(options: BlobOptions, file: string, cache: BlockCache | undefined) {
    this.#options = options;
    this.#isSynced = options.sync;
    this.#file = file;
    this.#cache = cache;
    this.#fd = openSync(file, "w", 0o644);
  }

  static async create(options: BlobOptions, file: string, cache?: BlockCache): Promise<BlobWriter> {
    checkCompression(options);
    const writer = new BlobWriter(options, file, cache);
    try {
      if (options.encoder === "portable") {
        // Loaded here only: most builds never need it.
        const { PortableDeflate } = await import("./portable-deflate.ts");
        writer.#portable = new PortableDeflate(options.level ?? DEFAULT_LEVEL.gzip, (bytes) => writer.#emit(bytes));
      }
      if (options.compression === "gzip") writer.#emit(GZIP_HEADER);
      return writer;
    } catch (error) {
      writer.abandon();
      throw error;
    }
  }

  /** An empty buffer for the next block. */
  buffer(capacity: number): Buffer {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    return Buffer.allocUnsafeSlow(capacity);
  }

  /** Takes a block; its buffer belongs to the writer again. Waits when enough are under way. */
  async write(buffer: Buffer, length: number, isZero = false): Promise<void> {
    const block = buffer.subarray(0, length);
    this.blocks++;
    const release = (): void => void this.#free.push(buffer);
    if (this.#options.compression === "uncompressed") {
      this.#take(block);
      this.#emit(block);
      release();
      return;
    }
    if (this.#portable !== undefined) {
      this.#take(block);
      this.#portable.push(block);
      release();
      return;
    }
    await this.#queue(
      this.#compress(block, isZero).then((compressed) => ({ block: compressed, inputs: [block], release })),
    );
  }

  /** Takes a block as an earlier blob has it. Now or later throws `DamagedBlock` when that is not of its input. */
  async writeKnown(known: KnownBlock): Promise<void> {
    this.blocks++;
    await this.#queue(this.#decompress(known));
  }

  async #queue(block: Promise<QueuedBlock>): Promise<void> {
    this.#inFlight.push(block);
    // A failure is reported where the block's turn comes, not as a rejection that nobody waits for.
    block.catch(() => undefined);
    if (this.#inFlight.length >= MOST_IN_FLIGHT) await this.#writeOldest();
  }

  /** Ends the blob. */
  async finish(): Promise<CompressedBlob> {
    while (this.#inFlight.length > 0) await this.#writeOldest();
    const uncompressedSize = this.#input.sizeBytes;
    if (this.#portable !== undefined) this.#portable.finish();
    else if (this.#options.compression === "gzip") this.#emit(GZIP_FINAL_BLOCK);
    if (this.#options.compression === "gzip") {
      const trailer = Buffer.alloc(8);
      trailer.writeUInt32LE(this.#crc, 0);
      trailer.writeUInt32LE(uncompressedSize % 2 ** 32, 4);
      this.#emit(trailer);
    }
    await this.#syncing;
    // The kernel tells of a fault once.
    if (this.#syncFault !== null) throw this.#syncFault;
    if (this.#isSynced) fsyncSync(this.#fd);
    this.#isOpen = false;
    closeSync(this.#fd);
    return {
      diffId: this.#input.digest(),
      digest: this.#output.digest(),
      size: this.#output.sizeBytes,
      uncompressedSize,
    };
  }

  /** Removes the file, finished or not. */
  abandon(): void {
    const close = (): void => closeSync(this.#fd);
    if (this.#isOpen && this.#syncing === undefined) close();
    else if (this.#isOpen) void this.#syncing?.then(close);
    this.#isOpen = false;
    rmSync(this.#file, { force: true });
  }

  async #compress(block: Buffer, isZero: boolean): Promise<CompressedBlock> {
    const zeros = isZero ? this.#zeros.get(block.length) : undefined;
    if (zeros !== undefined) return { chunks: [zeros], isOurs: false };
    const input = this.#cache === undefined ? undefined : digestOf(block);
    const cached = input === undefined ? undefined : this.#cache?.get(input);
    if (cached !== undefined) return fromKnown(cached);
    const chunks = await compressBlock(block, this.#options);
    if (isZero) this.#zeros.set(block.length, Buffer.concat(chunks));
    return { chunks, isOurs: true, input };
  }

  async #decompress(known: KnownBlock): Promise<QueuedBlock> {
    const inputs = await decompressBlock(known.bytes, this.#options).catch((cause: unknown) => {
      throw new DamagedBlock("a block cannot be read", { cause });
    });
    if (digestOfAll(inputs) !== known.input) throw new DamagedBlock("a block is of something else");
    return { block: fromKnown(known), inputs, release: () => freeAtOnce(inputs) };
  }

  async #writeOldest(): Promise<void> {
    const oldest = await this.#inFlight.shift();
    if (oldest === undefined) return;
    const { chunks, isOurs, input, digest } = oldest.block;
    const offset = this.#output.sizeBytes;
    for (const part of oldest.inputs) this.#take(part);
    for (const chunk of chunks) this.#emit(chunk);
    oldest.release();
    if (this.#cache !== undefined) {
      const length = this.#output.sizeBytes - offset;
      this.#cache.put(input, { offset, length, digest: digest ?? digestOfAll(chunks) });
    }
    if (isOurs) freeAtOnce(chunks);
  }

  /** Counts bytes of the tar. */
  #take(bytes: Uint8Array): void {
    this.#input.update(bytes);
    if (this.#options.compression === "gzip") this.#crc = crc32(bytes, this.#crc);
  }

  #emit(bytes: Uint8Array): void {
    this.#output.update(bytes);
    this.#unsyncedBytes += writeAll(this.#fd, bytes);
    if (this.#isSynced && this.#unsyncedBytes >= SYNC_BYTES && this.#syncing === undefined) this.#beginSync();
  }

  /** The disk writes while the rest is compressed. */
  #beginSync(): void {
    this.#unsyncedBytes = 0;
    this.#syncing = new Promise((resolve) => {
      fdatasync(this.#fd, (fault) => {
        this.#syncing = undefined;
        this.#syncFault ??= fault;
        resolve();
      });
    });
  }
}

/** Blocks under way at the same time: enough for four pool threads, little enough to keep memory flat. */
const MOST_IN_FLIGHT = 5;

/** A disk takes so much in one go. */
const SYNC_BYTES = 4 << 20;

/** No name, no time, system "unknown" (255), as Go writes it. */
const GZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
const GZIP_FINAL_BLOCK = Uint8Array.of(0x03, 0x00);

/** A block's compressed bytes, in order. `isOurs`: nobody else holds their memory. */
interface CompressedBlock {
  readonly chunks: readonly Uint8Array[];
  readonly isOurs: boolean;
  /** Digest of what was compressed, where it is of use. */
  readonly input?: Digest | undefined;
  /** Of the compressed bytes, where it is known. */
  readonly digest?: Digest | undefined;
}

function digestOfAll(chunks: readonly Uint8Array[]): Digest {
  const digester = new Digester();
  for (const chunk of chunks) digester.update(chunk);
  return digester.digest();
}

function fromKnown({ input, bytes, digest }: KnownBlock): CompressedBlock {
  return { chunks: [bytes], isOurs: true, input, digest };
}

/** A block on its way into the blob. */
interface QueuedBlock {
  readonly block: CompressedBlock;
  /** What it is of, in order. */
  readonly inputs: readonly Uint8Array[];
  /** Both are of no more use. */
  readonly release: () => void;
}
