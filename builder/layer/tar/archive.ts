// The door for archives at the edges, where members are few and large: OCI and docker
// archives on their way out, by tar-stream. Layers and contexts of many files have a
// codec of their own (tar-reader.ts, tar-writer.ts), which keeps what tar-stream does not:
// names and attributes of any bytes, fractions of seconds.

import { once } from "node:events";
import { open } from "node:fs/promises";
import { pack, type Pack } from "tar-stream";
import { damagedBlob } from "../../core/damaged-blob.ts";
import { Digester } from "../../core/digest.ts";
import type { Digest } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";

/** A file of the store: its bytes are held against its digest on the way, since a disk or a hand may have changed them. */
export interface StoredFile {
  readonly file: string;
  readonly digest: Digest;
}

/** One member of an archive that is written: a file with its content, or a directory. */
export interface MemberToWrite {
  /** ASCII. */
  readonly name: string;
  readonly type: "file" | "dir";
  readonly mode: number;
  /** Of the content, exactly. */
  readonly size: number;
  readonly content?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | StoredFile;
}

/**
 * The bytes of an archive, in the order of its members; owners and times are 0. A chunk is valid until the next one is
 * asked for: large files go through a few buffers, since a new one for each would pile up (the garbage collector takes
 * a buffer for the few bytes it has on the heap). Throws `INTERNAL` when content is not as long as it was to be.
 */
export async function* writeArchive(
  members: Iterable<MemberToWrite> | AsyncIterable<MemberToWrite>,
): AsyncGenerator<Uint8Array> {
  const archive = pack();
  archive.on("error", () => undefined); // the loop below sees it
  // Its failure also ends the loop below, by destroying the archive.
  const writing = writeMembers(archive, members).catch((error: unknown) => {
    archive.destroy(error as Error);
    throw error;
  });
  writing.catch(() => undefined); // seen below
  try {
    for await (const chunk of archive) yield chunk as Uint8Array;
  } catch (error) {
    await writing;
    throw error;
  } finally {
    archive.destroy();
  }
  await writing;
}

async function writeMembers(
  archive: Pack,
  members: Iterable<MemberToWrite> | AsyncIterable<MemberToWrite>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => void archive.once("close", () => resolve()));
  for await (const { name, type, mode, size, content } of members) {
    const header = {
      name,
      mode,
      size,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
      type: type === "dir" ? "directory" : "file",
    } as const;
    const sink = archive.entry(header);
    sink.on("error", () => undefined); // the archive has it too
    let written = 0;
    for await (const chunk of chunksOf(content)) {
      written += chunk.length;
      if (written > size) break;
      if (!sink.write(chunk) && !archive.destroyed) await Promise.race([once(sink, "drain"), closed]);
      if (archive.destroyed) return; // nobody reads any more
    }
    if (written !== size) {
      throw new BuildError("INTERNAL", `"${name}" has ${written} bytes where ${size} were to be`);
    }
    sink.end(undefined); // streamx types ask for the argument
  }
  archive.finalize();
}

async function* chunksOf(content: MemberToWrite["content"]): AsyncIterable<Uint8Array> {
  if (content === undefined) return;
  if ("file" in content) yield* fileChunks(content);
  else yield* content;
}

// At most one chunk is with the reader and one in the archive's queue, since the writer above waits for "drain" after
// each that is larger than the queue.
async function* fileChunks({ file: path, digest }: StoredFile): AsyncIterable<Uint8Array> {
  await using file = await open(path);
  const digester = new Digester();
  const buffers = [0, 1, 2].map(() => Buffer.allocUnsafeSlow(CHUNK_BYTES));
  for (let turn = 0; ; turn = (turn + 1) % buffers.length) {
    const buffer = buffers[turn] as Buffer;
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) break;
    digester.update(buffer.subarray(0, bytesRead));
    // Small ones may wait in the queue in any number.
    yield bytesRead < QUEUE_BYTES ? Buffer.from(buffer.subarray(0, bytesRead)) : buffer.subarray(0, bytesRead);
  }
  const found = digester.digest();
  if (found !== digest) throw damagedBlob(path, found);
}

const CHUNK_BYTES = 1 << 20;
/** More than tar-stream's queue holds before it asks to wait. */
const QUEUE_BYTES = 64 << 10;
