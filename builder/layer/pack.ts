// Packing: entries become a tar, the tar becomes a compressed blob, and all three digests
// (files, tar, blob) come out of the same pass over the bytes.

import { BuildError, isSystemError } from "../core/errors.ts";
import { displayPath } from "../core/bytes/byte-path.ts";
import { Digester } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import { BLOCK_FORMAT, endsBefore } from "./compression/block-cutter.ts";
import { BlobWriter, DamagedBlock } from "./compression/compress.ts";
import { checkDigest, checkSize, ContentReader, digestOfBytes, EMPTY_DIGEST } from "./tree/content.ts";
import type { Entry, SourcedEntry } from "./entry.ts";
import type { PackedBlob, PackRequest } from "./jobs/jobs.ts";
import { LayerSearch } from "./view/layer-search.ts";
import type { OrderedEntries } from "./ordered-entries.ts";
import { orderedEntries, withTime } from "./ordered-entries.ts";
import { StoredBlocks } from "./compression/stored-blocks.ts";
import { StoredRuns } from "./compression/stored-runs.ts";
import { paddingOf } from "./tar/tar-format.ts";
import { encodeTarHeader, TAR_END } from "./tar/tar-writer.ts";
import { headerOf } from "./whiteout.ts";

/** Does `LayerJobs.pack`. `check` throws when the job is to stop; it is called for every entry and large block. */
export async function pack(request: PackRequest, check: () => void): Promise<PackedEntries> {
  try {
    return await packOnce(request, check);
  } catch (error) {
    if (!(error instanceof DamagedBlock)) throw error;
    const { storedBlocks: _damaged, ...alone } = request;
    return await packOnce(alone, check);
  }
}

/** Without entries the index is the one that was given. */
type PackedEntries = Omit<PackedBlob, "index"> & { readonly entries?: readonly Entry[] | undefined };

async function packOnce(request: PackRequest, check: () => void): Promise<PackedEntries> {
  const stored = request.storedBlocks === undefined ? undefined : new StoredBlocks(request.storedBlocks, request);
  const blob = await BlobWriter.create(request, request.outFile, stored);
  try {
    const search = request.lookFor === undefined ? undefined : new LayerSearch(request.lookFor);
    const tar = new TarPacker(blob, check, search);
    const items = orderedEntries(request);
    // Who looks for something has to see all bytes.
    const runs = search === undefined ? stored && runsOf(stored, items, request) : undefined;
    for (let at = 0; at < items.length;) {
      check();
      const item = items.item(at);
      const written = withTime(item, writtenTime(item.entry, request));
      if (await tar.begin(written)) {
        if (at > 0) runs?.close(at, blob.blocks);
        const run = runs?.take(at);
        if (run !== undefined) {
          for (const block of run.blocks) await blob.writeKnown(block);
          at = run.end;
          continue;
        }
      }
      const digest = await tar.add(written);
      if (digest !== undefined) items.learn(at, digest);
      at++;
    }
    if (items.length === 0 || tar.isBegun) await tar.end();
    runs?.close(items.length, blob.blocks);
    search?.end();
    const { digest, size, diffId, uncompressedSize } = await blob.finish();
    stored?.save(digest);
    const found = search === undefined ? {} : { found: search.found };
    return { diffId, digest, size, uncompressedSize, entries: items.all(), ...found };
  } catch (error) {
    blob.abandon();
    throw error;
  } finally {
    stored?.close();
  }
}

/** Only what is compressed in blocks can be taken from elsewhere. */
function runsOf(stored: StoredBlocks, entries: OrderedEntries, request: PackRequest): StoredRuns | undefined {
  if (request.compression === "uncompressed" || request.encoder === "portable") return undefined;
  return new StoredRuns(stored, entries, request.keepNanoseconds === true ? "ns\n" : "");
}

/** What the header says: whole seconds, as in the layers of BuildKit, unless asked otherwise. */
function writtenTime({ mtimeNs }: Entry, { keepNanoseconds }: PackRequest): bigint {
  return keepNanoseconds === true ? mtimeNs : mtimeNs - (((mtimeNs % SECOND) + SECOND) % SECOND);
}

const SECOND = 1_000_000_000n;

/** Room for the byte that shows a file has grown. */
const BUFFER_BYTES = BLOCK_FORMAT.mostBytes + 1;

class TarPacker {
  readonly #blob: BlobWriter;
  readonly #check: () => void;
  readonly #search: LayerSearch | undefined;
  #block: Buffer;
  #used = 0;
  /** Whether a run of blocks has begun, which is to be ended. */
  isBegun = false;
  #header: Uint8Array = new Uint8Array();

  constructor(blob: BlobWriter, check: () => void, search: LayerSearch | undefined) {
    this.#blob = blob;
    this.#check = check;
    this.#search = search;
    this.#block = blob.buffer(BUFFER_BYTES);
  }

  /** Ends the block where it ends before a member, which is to be added next. Says whether nothing stands before it in its block. */
  async begin({ entry }: SourcedEntry): Promise<boolean> {
    const content = contentBytes(entry);
    this.#header = encodeTarHeader(headerOf(entry));
    const wholeSize = this.#header.length + content + paddingOf(content);
    if (endsBefore(this.#used, entry.path, wholeSize, content)) {
      await this.#cut();
      this.isBegun = false;
    }
    return !this.isBegun;
  }

  /** Writes one member; gives the digest of a file's content. */
  async add(item: SourcedEntry): Promise<Digest | undefined> {
    const { entry } = item;
    this.isBegun = true;
    this.#search?.begin(entry);
    const [header, content] = [this.#header, contentBytes(entry)];
    if (this.#used + header.length > BLOCK_FORMAT.mostBytes) await this.#append(header);
    else this.#used += put(this.#block, this.#used, header);
    if (entry.type !== "file") return undefined;
    if (content === 0) return EMPTY_DIGEST;
    if (content >= BLOCK_FORMAT.largeFileBytes || this.#used + content + paddingOf(content) > BLOCK_FORMAT.mostBytes) {
      return await this.#addLarge(item);
    }
    return this.#addSmall(item);
  }

  async end(): Promise<void> {
    await this.#append(TAR_END);
    await this.#cut();
  }

  #addSmall(item: SourcedEntry): Digest {
    const { size } = item.entry;
    const reader = new ContentReader(item);
    try {
      const { read } = reading(item, () => reader.read(this.#block, this.#used, size + 1));
      checkSize(item, read);
    } finally {
      reader.close();
    }
    const content = this.#block.subarray(this.#used, this.#used + size);
    this.#search?.content(content);
    const digest = digestOfBytes(content);
    checkDigest(item, digest);
    this.#used += size;
    const padding = paddingOf(size);
    this.#block.fill(0, this.#used, this.#used + padding);
    this.#used += padding;
    return digest;
  }

  async #addLarge(item: SourcedEntry): Promise<Digest> {
    const { size } = item.entry;
    const digester = new Digester();
    const reader = new ContentReader(item);
    try {
      reading(item, () => reader.lookForHoles());
      for (let left = size; left > 0;) {
        this.#check();
        const untilCut = BLOCK_FORMAT.largeFileBytes - ((size - left) % BLOCK_FORMAT.largeFileBytes);
        const wanted = Math.min(left, untilCut, BLOCK_FORMAT.mostBytes - this.#used);
        const { read, isHole } = reading(item, () => reader.read(this.#block, this.#used, wanted));
        if (read < wanted) checkSize(item, size - left + read);
        const content = this.#block.subarray(this.#used, this.#used + read);
        digester.update(content);
        this.#search?.content(content);
        const isZero = isHole && this.#used === 0;
        this.#used += read;
        left -= read;
        if (wanted === untilCut || this.#used === BLOCK_FORMAT.mostBytes) await this.#cut(isZero);
      }
      const { read: more } = reading(item, () => reader.read(Buffer.alloc(1), 0, 1));
      checkSize(item, size + more);
    } finally {
      reader.close();
    }
    await this.#append(TAR_END.subarray(0, paddingOf(size)));
    const digest = digester.digest();
    checkDigest(item, digest);
    return digest;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === BLOCK_FORMAT.mostBytes) await this.#cut();
      const taken = Math.min(BLOCK_FORMAT.mostBytes - this.#used, bytes.length - at);
      this.#used += put(this.#block, this.#used, bytes.subarray(at, at + taken));
      at += taken;
    }
  }

  async #cut(isZero = false): Promise<void> {
    if (this.#used === 0) return;
    const [block, used] = [this.#block, this.#used];
    this.#used = 0;
    await this.#blob.write(block, used, isZero);
    this.#block = this.#blob.buffer(BUFFER_BYTES);
  }
}

function contentBytes({ type, size }: Entry): number {
  return type === "file" ? size : 0;
}

function put(block: Buffer, at: number, bytes: Uint8Array): number {
  block.set(bytes, at);
  return bytes.length;
}

/** Errors of reading name the file; those of writing the blob are not its fault. */
function reading<T>(item: SourcedEntry, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const name = displayPath(item.source?.kind === "path" ? item.source.path : item.entry.path);
    throw new BuildError("INTERNAL", `"${name}" cannot be read: ${error.message}`, { cause: error });
  }
}
