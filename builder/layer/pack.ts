// Packing: entries become a tar, the tar becomes a compressed blob, and all three digests
// (files, tar, blob) come out of the same pass over the bytes.

import { BuildError, isSystemError } from "../core/errors.ts";
import { displayPath } from "../core/byte-path.ts";
import { Digester } from "../core/digest.ts";
import type { Digest } from "../core/digest.ts";
import { BLOCK_FORMAT, endsBefore } from "./block-cutter.ts";
import { BlobWriter } from "./compress.ts";
import { checkDigest, checkSize, ContentReader, digestOfBytes, EMPTY_DIGEST } from "./content.ts";
import type { Entry, SourcedEntry } from "./entry.ts";
import type { PackedBlob, PackRequest, WithEntries } from "./jobs.ts";
import { layerContent } from "./layer-content.ts";
import { LayerSearch } from "./layer-search.ts";
import { sortEntries } from "./order.ts";
import { StoredBlocks } from "./stored-blocks.ts";
import { paddingOf } from "./tar-format.ts";
import { encodeTarHeader, TAR_END } from "./tar-writer.ts";
import { headerOf } from "./whiteout.ts";

/** Does `LayerJobs.pack`. `check` throws when the job is to stop; it is called for every entry and large block. */
export async function pack(request: PackRequest, check: () => void): Promise<WithEntries<PackedBlob>> {
  const stored = request.storedBlocks === undefined ? undefined : new StoredBlocks(request.storedBlocks, request);
  const blob = await BlobWriter.create(request, request.outFile, stored);
  try {
    const search = request.lookFor === undefined ? undefined : new LayerSearch(request.lookFor);
    const tar = new TarPacker(blob, check, search);
    const entries: Entry[] = [];
    for (const item of sortEntries(layerContent(request.content))) {
      check();
      const entry = withTime(item.entry, timeOf(item.entry, request));
      const digest = await tar.add({ ...item, entry: withTime(entry, writtenTime(entry, request)) });
      entries.push(digest === undefined || digest === entry.digest ? entry : { ...entry, digest });
    }
    await tar.end();
    search?.end();
    const { digest, size, diffId, uncompressedSize } = await blob.finish(request.sync);
    stored?.save(digest);
    const found = search === undefined ? {} : { found: search.found };
    return { diffId, digest, size, uncompressedSize, entries, ...found };
  } catch (error) {
    blob.abandon();
    throw error;
  } finally {
    stored?.close();
  }
}

/** What the index says: all of the time, since later steps compare with it. */
function timeOf({ type, mtimeNs }: Entry, { maxMtimeNs }: PackRequest): bigint {
  if (type === "whiteout" || type === "opaque") return 0n;
  return maxMtimeNs !== undefined && mtimeNs > maxMtimeNs ? maxMtimeNs : mtimeNs;
}

/** What the header says: whole seconds, as in the layers of BuildKit, unless asked otherwise. */
function writtenTime({ mtimeNs }: Entry, { keepNanoseconds }: PackRequest): bigint {
  return keepNanoseconds === true ? mtimeNs : mtimeNs - (((mtimeNs % SECOND) + SECOND) % SECOND);
}

function withTime(entry: Entry, mtimeNs: bigint): Entry {
  return mtimeNs === entry.mtimeNs ? entry : { ...entry, mtimeNs };
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

  constructor(blob: BlobWriter, check: () => void, search: LayerSearch | undefined) {
    this.#blob = blob;
    this.#check = check;
    this.#search = search;
    this.#block = blob.buffer(BUFFER_BYTES);
  }

  /** Writes one member; gives the digest of a file's content. */
  async add(item: SourcedEntry): Promise<Digest | undefined> {
    const { entry } = item;
    this.#search?.begin(entry);
    const header = encodeTarHeader(headerOf(entry));
    const content = entry.type === "file" ? entry.size : 0;
    const wholeSize = header.length + content + paddingOf(content);
    if (endsBefore(this.#used, entry.path, wholeSize, content)) await this.#cut();
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
