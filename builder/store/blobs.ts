// The blobs of a layout on disk. A blob appears by rename, whole and verified.

import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import type { ErrorCode } from "../core/errors.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { readChunk } from "../core/bytes/lent-chunks.ts";
import type { ItemName, StoreSpace } from "../core/space.ts";
import { FREE_SPACE, onDisk } from "../core/space.ts";
import { type BlobPlace, DiskWriter } from "./blob-writer.ts";
import { explain, explained } from "./layout.ts";
import type { BlobDownload, BlobStore, BlobWriter } from "./store.ts";
import { temporaryPath } from "./temporary.ts";

const SMALL_BYTES = 16 << 20;
const READING = constants.O_RDONLY | constants.O_NOFOLLOW;

/** Where the files of blobs lie, when not in the usual places. All on one file system. */
export interface BlobPlaces {
  /** Whole blobs, flat. */
  readonly directory?: string;
  /** Downloads that may be taken up again. */
  readonly partial?: string;
  /** Who keeps count of them, and under which kind. */
  readonly space?: StoreSpace;
  readonly kind?: "blob" | "http";
}

/** Blobs of the layout in `layoutPath`; temporary files go to `temporaryDirectory` of the same file system. */
export class DiskBlobs implements BlobStore, BlobPlace {
  readonly layoutPath: string;
  readonly #temporary: string;
  readonly #partial: string;
  readonly #code: ErrorCode;
  readonly #directory: string;
  readonly #space: StoreSpace;
  readonly #kind: "blob" | "http";

  constructor(layoutPath: string, temporaryDirectory: string, code: ErrorCode = "STORE", places: BlobPlaces = {}) {
    this.layoutPath = layoutPath;
    this.#directory = places.directory ?? join(layoutPath, "blobs/sha256");
    this.#temporary = temporaryDirectory;
    this.#partial = places.partial ?? join(temporaryDirectory, "partial");
    this.#code = code;
    this.#space = places.space ?? FREE_SPACE;
    this.#kind = places.kind ?? "blob";
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.sizeOf(digest)) !== undefined;
  }

  async pathOf(digest: Digest): Promise<string> {
    if (!(await this.has(digest))) throw this.#missing(digest);
    return this.#path(digest);
  }

  async sizeOf(digest: Digest): Promise<number | undefined> {
    return await this.explained(async () => {
      this.#space.hold(this.#item(digest));
      try {
        const found = statSync(this.#path(digest));
        return found.isFile() ? found.size : undefined;
      } catch (error) {
        if (isErrno(error, "ENOENT")) return undefined;
        throw error;
      }
    });
  }

  async read(digest: Digest, maxBytes = SMALL_BYTES): Promise<Uint8Array> {
    const bytes = await this.explained(async () => this.#readSmall(digest, maxBytes));
    const found = digestOf(bytes);
    if (found !== digest) throw this.#damaged(digest, `its bytes have ${found}`);
    return bytes;
  }

  async *open(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array> {
    try {
      await using file = await this.#openFile(digest);
      const { size } = await file.stat();
      let position = 0;
      while (position < size) {
        signal.throwIfAborted();
        const chunk = await readChunk(file, position, size - position);
        if (chunk.length === 0) throw this.#damaged(digest, `it ends after ${position} of ${size} bytes`);
        position += chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw explain(this.layoutPath, this.#code, error);
    }
  }

  async writer(signal: AbortSignal): Promise<BlobWriter> {
    signal.throwIfAborted();
    const path = temporaryPath(this.#temporary);
    return await this.explained(async () => {
      const file = await open(path, "wx", 0o644);
      return new DiskWriter(path, file, this, signal);
    });
  }

  async download(
    { digest, size }: Pick<Descriptor, "digest" | "size">,
    signal: AbortSignal,
  ): Promise<BlobDownload | undefined> {
    const { openDownload } = await import("./download.ts");
    this.#space.hold(this.#item(digest));
    return await openDownload({
      digest,
      size,
      path: join(this.#partial, hexOf(digest)),
      temporary: temporaryPath(this.#temporary, "download"),
      place: {
        isThere: async () => (await this.sizeOf(digest)) === size,
        appear: (path) => this.appearAs(path, digest, size),
        reserve: (bytes) => this.#space.reserve(bytes),
        explained: (body) => this.explained(body),
      },
      signal,
    });
  }

  async put(bytes: Uint8Array): Promise<{ readonly digest: Digest; readonly size: number }> {
    const digest = digestOf(bytes);
    if ((await this.sizeOf(digest)) === bytes.length) {
      if (await this.#holds(digest)) return { digest, size: bytes.length };
      // Damaged: it is written anew.
      await this.explained(() => rm(this.#path(digest), { force: true }));
    }
    using _space = await this.#space.reserve(bytes.length);
    await using writer = await this.writer(new AbortController().signal);
    await writer.write(bytes);
    return await writer.commit({ digest, size: bytes.length });
  }

  /** Whether a document can be read. */
  async #holds(digest: Digest): Promise<boolean> {
    try {
      await this.read(digest);
      return true;
    } catch (error) {
      if (error instanceof BuildError && error.code === this.#code) return false;
      throw error;
    }
  }

  async appearAs(path: string, digest: Digest, size: number): Promise<void> {
    await this.explained(async () => {
      this.#space.hold(this.#item(digest));
      await rename(path, this.#path(digest));
      this.#space.landed(this.#item(digest), onDisk(size));
    });
  }

  async explained<T>(body: () => Promise<T>): Promise<T> {
    return await explained(this.layoutPath, this.#code, body);
  }

  async #openFile(digest: Digest): Promise<FileHandle> {
    this.#space.hold(this.#item(digest));
    try {
      return await open(this.#path(digest), READING);
    } catch (error) {
      throw this.#notOpened(digest, error);
    }
  }

  /** At once, as small files are (core/system/small-file.ts). */
  #readSmall(digest: Digest, maxBytes: number): Uint8Array {
    this.#space.hold(this.#item(digest));
    const file = this.#openNow(digest);
    try {
      const { size } = fstatSync(file);
      if (size > maxBytes) {
        throw new BuildError(
          this.#code,
          `blob ${digest} is too large to be read at once: ${size} bytes, at most ${maxBytes}`,
        );
      }
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  }

  #openNow(digest: Digest): number {
    try {
      return openSync(this.#path(digest), READING | constants.O_NONBLOCK);
    } catch (error) {
      throw this.#notOpened(digest, error);
    }
  }

  #notOpened(digest: Digest, error: unknown): unknown {
    return isErrno(error, "ENOENT") ? this.#missing(digest) : error;
  }

  #item(digest: Digest): ItemName {
    return `${this.#kind}/${hexOf(digest)}`;
  }

  #path(digest: Digest): string {
    return join(this.#directory, hexOf(digest));
  }

  #missing(digest: Digest): BuildError {
    return new BuildError(this.#code, `blob ${digest} is not in "${this.layoutPath}"`, {
      hint:
        this.#code === "STORE" && this.#kind === "blob"
          ? "tsbuild fsck names the images that lack it: pull or build these again"
          : undefined,
    });
  }

  #damaged(digest: Digest, why: string): BuildError {
    return new BuildError(this.#code, `blob ${digest} in "${this.layoutPath}" is damaged: ${why}`, {
      hint: "remove the file; it is then fetched or made again",
    });
  }
}
