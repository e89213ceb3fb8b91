// Bytes of open files, in chunks of 1 MiB that their reader may keep, or give back (core/bytes/lent-chunks.ts).

import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, rm } from "node:fs/promises";
import { BuildError } from "../core/errors.ts";
import { readChunk } from "../core/bytes/lent-chunks.ts";
import { temporaryPath } from "../store/temporary.ts";

/** A file's bytes from a place on, to its end or `length` of them; the handle's own position does not matter. */
export async function* chunksOf(
  file: FileHandle,
  { start = 0, length = Number.POSITIVE_INFINITY }: { readonly start?: number; readonly length?: number } = {},
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length;) {
    signal?.throwIfAborted();
    const chunk = await readChunk(file, start + done, length - done);
    if (chunk.length === 0) return;
    done += chunk.length;
    yield chunk;
  }
}

/** What a pipe or a device gives, until it ends. */
export async function* chunksInOrder(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await readChunk(file, null);
    if (chunk.length === 0) return;
    yield chunk;
  }
}

/** Opens a regular file that is there for reading; anything else under the name is as good as nothing. Throws what open(2) does. */
export async function openRegular(path: string): Promise<FileHandle> {
  // A fifo would keep open(2) waiting for whoever writes to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw notRegular(path);
}

/** The bytes of a small regular file, at once (core/system/small-file.ts); `check` is given its size first. Throws what it throws and what open(2) does. */
export function readRegular(path: string, check: (size: number) => void): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw notRegular(path);
    check(found.size);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function notRegular(path: string): BuildError {
  return new BuildError("ARCHIVE_INVALID", `"${path}" is not a regular file`);
}

/** A file without a name: it is gone with its handle, however this process ends. */
export async function namelessFile(directory: string): Promise<FileHandle> {
  const path = temporaryPath(directory, "spool");
  const file = await open(path, "wx+", 0o600);
  await rm(path);
  return file;
}
