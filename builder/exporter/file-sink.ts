// One output file: it appears under its name whole (temporary file beside it, fsync,
// rename), or not at all. A stream (stdout) and what is no regular file are written as they go.

import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BuildError, isErrno, isSystemError } from "../core/errors.ts";
import { isOwnerAlive, ownerName } from "../store/owner.ts";

/** A path, or a stream that resolves once it can take more. */
export type FileSink =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "stream"; readonly write: (chunk: Uint8Array) => Promise<void> };

/** Writes an output file. On any failure there is none, and one that was there before stays. Throws `OUTPUT`. */
export async function writeOutput(
  sink: FileSink,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  if (sink.kind === "stream") {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await sink.write(chunk);
    }
    return;
  }
  try {
    // /dev/stdout, a fifo: nothing could be renamed onto it.
    const isPlain = await isPlainTarget(sink.path);
    await (isPlain ? writeBeside(sink.path, chunks, signal) : writeInto(sink.path, chunks, signal));
  } catch (error) {
    throw explainOutput(error, sink.path);
  }
}

/** A system error as an `OUTPUT` error that names the destination; others as they are. */
export function explainOutput(error: unknown, path: string): unknown {
  if (!isSystemError(error)) return error;
  const reasons: Record<string, string> = {
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EROFS: "the file system is read-only",
    EACCES: "permission denied",
    EPERM: "permission denied",
    EISDIR: "it is a directory",
    ENOTDIR: "a part of its path is not a directory",
    ENOENT: `the folder "${dirname(path)}" does not exist`,
  };
  return new BuildError("OUTPUT", `cannot write "${path}": ${reasons[error.code] ?? error.message}`, { cause: error });
}

/** Whether a file can be renamed to a path: nothing or a regular file is there. Throws `OUTPUT` for a directory. */
export async function isPlainTarget(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (found.isDirectory())
      throw new BuildError("OUTPUT", `cannot write "${path}": it is a directory`, { hint: "name a file in it" });
    return found.isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    throw error;
  }
}

/** A name for the file while it is written. What killed processes left of the same file goes. */
export async function temporaryBeside(path: string): Promise<string> {
  const [folder, start] = [dirname(path), `.${basename(path)}.`];
  for (const name of await readdir(folder)) {
    const isDead =
      name.startsWith(start) &&
      name.endsWith(".tmp") &&
      isOwnerAlive(name.slice(start.length, -".tmp".length)) === false;
    if (isDead) await rm(join(folder, name), { force: true });
  }
  return join(folder, `${start}${ownerName()}.tmp`);
}

async function writeBeside(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const temporary = await temporaryBeside(path);
  await rm(temporary, { force: true });
  try {
    await using file = await open(temporary, "wx", 0o644);
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await file.writeFile(chunk);
    }
    await file.datasync();
    signal.throwIfAborted();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeInto(path: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  await using file = await open(path, "w");
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    await file.writeFile(chunk);
  }
}
