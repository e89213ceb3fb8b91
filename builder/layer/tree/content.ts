// Reading the content of files: in one pass into a buffer that is used again, with the
// check that a file still is what its entry says.

import { hash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath, fsPath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { Digester } from "../../core/digest.ts";
import { BuildError, isErrno } from "../../core/errors.ts";
import { seek } from "../../core/system/syscall.ts";
import type { ContentSource, Entry, SourcedEntry } from "../entry.ts";

/** The digest of no bytes. */
export const EMPTY_DIGEST: Digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** The digest of a small file's bytes in a buffer. */
export function digestOfBytes(bytes: Uint8Array): Digest {
  return bytes.length === 0 ? EMPTY_DIGEST : `sha256:${hash("sha256", bytes, "hex")}`;
}

/** Reads the content of one regular file. Close it. */
export class ContentReader {
  readonly #entry: Entry;
  readonly #source: ContentSource;
  readonly #fd: number;
  #at = 0;
  /** Where the next data begins, in a file that has holes. */
  #dataAt: number | undefined;

  constructor(item: SourcedEntry) {
    this.#entry = item.entry;
    if (item.source === undefined) {
      throw new BuildError("INTERNAL", `nothing says where the content of "${displayPath(item.entry.path)}" is`);
    }
    this.#source = item.source;
    this.#fd = this.#source.kind === "path" ? openSource(this.#source.path) : -1;
  }

  /** Finds holes; worth its system calls for large files only. */
  lookForHoles(): void {
    if (this.#fd < 0) return;
    const { blocks, size } = fstatSync(this.#fd);
    if (blocks * 512 < size) this.#dataAt = seek(this.#fd, 0, "data") ?? size;
  }

  /**
   * Reads up to `length` bytes; less only at the end. Says whether all of them are a hole, and so zero.
   * Whoever reads the whole file asks for one byte more than it should have: see `checkSize`.
   */
  read(buffer: Buffer, offset: number, length: number): { read: number; isHole: boolean } {
    if (this.#source.kind === "bytes") {
      const part = this.#source.bytes.subarray(this.#at, this.#at + length);
      buffer.set(part, offset);
      this.#at += part.length;
      return { read: part.length, isHole: false };
    }
    if (this.#dataAt !== undefined && this.#at >= this.#dataAt) {
      this.#dataAt = seek(this.#fd, this.#at, "data") ?? this.#entry.size;
    }
    if (this.#dataAt !== undefined && this.#dataAt >= this.#at + length) {
      buffer.fill(0, offset, offset + length);
      this.#at += length;
      return { read: length, isHole: true };
    }
    let read = 0;
    while (read < length) {
      const wanted = length - read;
      const count = readSync(this.#fd, buffer, offset + read, wanted, this.#at);
      read += count;
      this.#at += count;
      // Less than was wanted, and all that there should be: that is the end, and asking again would only confirm it.
      if (count === 0 || (count < wanted && this.#at === this.#entry.size)) break;
    }
    return { read, isHole: false };
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
  }
}

/** Throws when a file is not as long as its entry says: somebody wrote to it meanwhile. */
export function checkSize(item: SourcedEntry, readBytes: number): void {
  if (readBytes === item.entry.size) return;
  throw changed(item, `${item.entry.size} bytes expected, ${readBytes > item.entry.size ? "more" : readBytes} found`);
}

/** Throws when the content is not what its entry says it is. */
export function checkDigest(item: SourcedEntry, digest: Digest): void {
  if (item.entry.digest === undefined || item.entry.digest === digest) return;
  throw changed(item, `${item.entry.digest} expected, ${digest} found`);
}

/** The digest of a whole file, in large pieces. */
export function digestOfFile(item: SourcedEntry, buffer: Buffer): Digest {
  const reader = new ContentReader(item);
  try {
    const digester = new Digester();
    for (;;) {
      const { read } = reader.read(buffer, 0, buffer.length);
      if (read > 0) digester.update(buffer.subarray(0, read));
      if (read < buffer.length) break;
    }
    checkSize(item, digester.sizeBytes);
    return digester.digest();
  } finally {
    reader.close();
  }
}

function openSource(path: BytePath): number {
  try {
    return openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ELOOP", "ENOTDIR", "EACCES")) throw error;
    throw new BuildError(
      "CONTEXT",
      `"${displayPath(path)}" cannot be read: ${error instanceof Error ? error.message : ""}`,
      { cause: error },
    );
  }
}

function changed(item: SourcedEntry, detail: string): BuildError {
  const name = item.source?.kind === "path" ? item.source.path : item.entry.path;
  return new BuildError("CONTEXT", `"${displayPath(name)}" changed while it was read: ${detail}`, {
    hint: "let whatever writes to it finish, and build again",
  });
}
