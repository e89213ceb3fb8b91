// An image archive on disk as named members that can be read in any order. A compressed
// archive is unpacked once into a temporary file; then offsets are all that is kept.

import { open, mkdtemp, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError, isErrno } from "../core/errors.ts";
import { decompress, sniff, SNIFF_BYTES } from "../layer/decompress.ts";
import type { TarHeader } from "../layer/tar-format.ts";
import { TarReader } from "../layer/tar-reader.ts";

const CHUNK_BYTES = 1 << 20;
const MAX_MEMBERS = 100_000;

/** A regular file of the archive. */
export interface Member {
  readonly offset: number;
  readonly size: number;
}

/** The archive, held open. */
export interface ArchiveFile extends AsyncDisposable {
  readonly path: string;
  /** A regular file by its name, links followed; undefined when there is none. */
  member(name: string): Member | undefined;
  read(member: Member, maxBytes: number): Promise<Uint8Array>;
  stream(member: Member, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Opens an archive and reads its table. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function openArchiveFile(path: string, temporaryDirectory = tmpdir()): Promise<ArchiveFile> {
  await using undo = new AsyncDisposableStack();
  const given = undo.use(await openGiven(path));
  const plain = await inTheClear(given, temporaryDirectory, undo);
  const { files, links } = await readTable(plain, path);
  const held = undo.move();
  return {
    path,
    member(name) {
      let current = cleanName(name);
      for (let hops = 0; hops < 8; hops++) {
        const found = files.get(current);
        if (found !== undefined) return found;
        const next = links.get(current);
        if (next === undefined) return undefined;
        current = next;
      }
      return undefined;
    },
    async read(member, maxBytes) {
      if (member.size > maxBytes)
        throw new BuildError("ARCHIVE_INVALID", `"${path}" holds a description of ${member.size} bytes`);
      const buffer = Buffer.alloc(member.size);
      await readFully(plain, buffer, member.offset, path);
      return buffer;
    },
    stream: (member, signal) => streamMember(plain, member, path, signal),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function openGiven(path: string): Promise<FileHandle> {
  try {
    const file = await open(path);
    const found = await file.stat();
    if (!found.isDirectory()) return file;
    await file.close();
  } catch (error) {
    if (isErrno(error, "ENOENT"))
      throw new BuildError("INPUT_MISSING", `there is no archive "${path}"`, { cause: error });
    throw error;
  }
  throw new BuildError("INPUT_MISSING", `"${path}" is a directory, not an archive`, {
    hint: "oci-layout:// names a directory",
  });
}

async function inTheClear(
  file: FileHandle,
  temporaryDirectory: string,
  undo: AsyncDisposableStack,
): Promise<FileHandle> {
  const head = Buffer.alloc(SNIFF_BYTES);
  await file.read(head, 0, head.length, 0);
  if (sniff(head) === "plain") return file;
  const folder = await mkdtemp(join(temporaryDirectory, "tsbuild-archive-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const spool = undo.use(await open(join(folder, "archive.tar"), "wx+", 0o600));
  for await (const chunk of decompress(chunksOf(file), "archive")) await spool.writeFile(chunk);
  return spool;
}

interface Table {
  readonly files: ReadonlyMap<string, Member>;
  readonly links: ReadonlyMap<string, string>;
}

// A member's bytes lie in one piece, so its first one tells where; holes do not occur in image archives.
async function readTable(file: FileHandle, path: string): Promise<Table> {
  const files = new Map<string, Member>();
  const links = new Map<string, string>();
  let current: TarHeader | undefined;
  let chunk: Uint8Array = new Uint8Array();
  let position = 0;
  const reader = new TarReader({
    begin(header) {
      current = header;
      if (files.size + links.size > MAX_MEMBERS)
        throw new BuildError("ARCHIVE_INVALID", `"${path}" has more than ${MAX_MEMBERS} members`);
      const name = cleanName(header.name);
      if (header.type === "file") files.set(name, { offset: 0, size: 0 });
      // docker save of old: a layer that occurs twice is a link to "../<id>/layer.tar".
      if (header.type === "symlink") links.set(name, cleanName(join("/", name, "..", header.link)));
      if (header.type === "hardlink") links.set(name, cleanName(header.link));
    },
    data(bytes, offset) {
      if (offset !== 0 || current === undefined) return;
      files.set(cleanName(current.name), {
        offset: position + (bytes.byteOffset - chunk.byteOffset),
        size: current.size,
      });
    },
    end() {
      current = undefined;
    },
  });
  for await (chunk of chunksOf(file)) {
    reader.push(chunk);
    position += chunk.length;
  }
  reader.end();
  return { files, links };
}

function cleanName(name: string): string {
  return join("/", name).slice(1);
}

async function* chunksOf(file: FileHandle): AsyncIterable<Uint8Array> {
  for (let position = 0; ;) {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* streamMember(
  file: FileHandle,
  member: Member,
  path: string,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  for (let done = 0; done < member.size;) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, member.size - done));
    await readFully(file, buffer, member.offset + done, path);
    done += buffer.length;
    yield buffer;
  }
}

async function readFully(file: FileHandle, buffer: Buffer, offset: number, path: string): Promise<void> {
  for (let done = 0; done < buffer.length;) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, offset + done);
    if (bytesRead === 0) throw new BuildError("ARCHIVE_INVALID", `"${path}" became shorter while it was read`);
    done += bytesRead;
  }
}
