// One output file: it appears under its name whole (temporary file beside it, fsync,
// rename), or not at all. A stream (stdout) and what is no regular file are written as they go.

import { lstat, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { bytePath } from "../core/bytes/byte-path.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import { cannotWrite } from "../core/system/cannot-write.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import { isOwnerAlive, ownerName } from "../store/owner.ts";

/** A path, or a stream that resolves once it can take more. */
export type FileSink =
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "stream";
      readonly write: (chunk: Uint8Array) => Promise<void>;
      /** All has been written: resolves when whoever reads it has it. */
      readonly end?: () => Promise<void>;
    };

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
    await sink.end?.();
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
  return cannotWrite(path, error, {
    EISDIR: "it is a directory",
    ENOTDIR: "a part of its path is not a directory",
    ENOENT: `the folder "${dirname(path)}" does not exist`,
  });
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

/** A name for a file or folder while it is written, beside it. What killed processes left of the same one goes. */
export async function temporaryBeside(path: string): Promise<string> {
  return await temporaryName(dirname(path), `.${basename(path)}.`);
}

/** A name for what is written into a folder, in it. What killed processes left there goes. */
export async function temporaryIn(folder: string): Promise<string> {
  return await temporaryName(folder, ".tsbuild.");
}

let serial = 0;

async function temporaryName(folder: string, start: string): Promise<string> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(start) || !name.endsWith(".tmp")) continue;
    if (isOwnerAlive(name.slice(start.length).split(".")[0] ?? "") !== false) continue;
    const dead = join(folder, name);
    if ((await lstat(dead)).isDirectory()) removeTree(bytePath(dead));
    else await rm(dead, { force: true });
  }
  return join(folder, `${start}${ownerName()}.${serial++}.tmp`);
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
