// An image archive on disk as named members that can be read in any order. One that is
// compressed, or that comes through a pipe, is first written to a nameless file in the
// clear; then offsets are all that is kept.

import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, isErrno } from "../core/errors.ts";
import { decompress, sniff, SNIFF_BYTES } from "../layer/compression/decompress.ts";
import type { TarHeader } from "../layer/tar/tar-format.ts";
import { TarReader } from "../layer/tar/tar-reader.ts";
import type { UnpackLimits } from "../layer/unpack-limits.ts";
import { DEFAULT_LIMITS, UnpackGuard } from "../layer/unpack-limits.ts";
import { chunksInOrder, chunksOf, namelessFile } from "./file-chunks.ts";

const MAX_MEMBERS = 100_000;
const MAX_HOPS = 8;

/** A regular file of the archive. */
export interface Member {
  readonly offset: number;
  readonly size: number;
}

/** The archive, held open. */
export interface ArchiveFile extends AsyncDisposable {
  /** Its path, or what stands for it in errors. */
  readonly path: string;
  /** The names of its regular files, cleaned of "./". */
  readonly names: readonly string[];
  /** A regular file by its name, links followed; undefined when there is none. */
  member(name: string): Member | undefined;
  /** All bytes of a small one. Throws `ARCHIVE_INVALID` when it is larger than that. */
  read(member: Member, maxBytes: number): Promise<Uint8Array>;
  stream(member: Member, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface ArchiveFileOptions {
  /** Where a compressed archive is unpacked to while it is open. */
  readonly temporaryDirectory: string;
  /** Of that unpacking; default `DEFAULT_LIMITS`. */
  readonly limits?: UnpackLimits | undefined;
}

/** Opens an archive and reads its table. Throws `INPUT_MISSING`, `ARCHIVE_INVALID`. */
export async function openArchiveFile(path: string, options: ArchiveFileOptions): Promise<ArchiveFile> {
  await using undo = new AsyncDisposableStack();
  const file = undo.use(await openGiven(path));
  if (!(await file.stat()).isFile()) return await receiveArchive(path, chunksInOrder(file), options);
  const head = Buffer.alloc(SNIFF_BYTES);
  await file.read(head, 0, head.length, 0);
  if (sniff(head) !== "plain") return await receiveArchive(path, chunksOf(file), options);
  return await readTable(path, file, undo);
}

/** The same for an archive that comes as a stream, compressed or not; `name` stands for its path. */
export async function receiveArchive(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  { temporaryDirectory, limits = DEFAULT_LIMITS }: ArchiveFileOptions,
): Promise<ArchiveFile> {
  await using undo = new AsyncDisposableStack();
  const spool = undo.use(await namelessFile(temporaryDirectory));
  const guard = new UnpackGuard(limits);
  try {
    for await (const chunk of decompress(guard.packed(chunks), "archive")) {
      guard.unpacked(chunk.length);
      await spool.writeFile(chunk);
    }
  } catch (error) {
    throw named(name, error);
  }
  return await readTable(name, spool, undo);
}

async function openGiven(path: string): Promise<FileHandle> {
  try {
    const file = await open(path);
    const found = await file.stat();
    if (!found.isDirectory()) return file;
    await file.close();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR"))
      throw new BuildError("INPUT_MISSING", `there is no archive "${path}"`, { cause: error });
    if (isErrno(error, "EACCES"))
      throw new BuildError("INPUT_MISSING", `the archive "${path}" may not be read`, { cause: error });
    throw error;
  }
  throw new BuildError("INPUT_MISSING", `"${path}" is a directory, not an archive`, {
    hint: "an image layout is oci:FOLDER, what skopeo copied to a folder is dir:FOLDER",
  });
}

async function readTable(path: string, file: FileHandle, undo: AsyncDisposableStack): Promise<ArchiveFile> {
  const table = new Table();
  const reader = new TarReader(table);
  try {
    for await (const chunk of chunksOf(file)) {
      table.chunk = chunk;
      reader.push(chunk);
      table.position += chunk.length;
    }
    reader.end();
  } catch (error) {
    throw named(path, error);
  }
  const held = undo.move();
  return {
    path,
    names: [...table.files.keys()],
    member: (name) => table.find(name),
    async read(member, maxBytes) {
      if (member.size > maxBytes)
        throw new BuildError("ARCHIVE_INVALID", `"${path}" holds a description of ${member.size} bytes`);
      const parts: Uint8Array[] = [];
      for await (const chunk of whole(file, member, path)) parts.push(chunk);
      return Buffer.concat(parts);
    },
    stream: (member, signal) => whole(file, member, path, signal),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Where each file of the archive lies. A member's bytes are in one piece, so its first one tells; holes do not occur in image archives. */
class Table {
  readonly files = new Map<string, Member>();
  readonly #links = new Map<string, string>();
  chunk: Uint8Array = new Uint8Array();
  position = 0;
  #current: TarHeader | undefined;

  begin(header: TarHeader): void {
    this.#current = header;
    if (this.files.size + this.#links.size >= MAX_MEMBERS)
      throw new BuildError("ARCHIVE_INVALID", `it has more than ${MAX_MEMBERS} members`);
    if (header.type !== "file" && header.type !== "symlink" && header.type !== "hardlink") return;
    const name = cleanName(header.name);
    // Two readers of such an archive could see two images.
    if (this.files.has(name) || this.#links.has(name))
      throw new BuildError("ARCHIVE_INVALID", `it holds "${name}" twice`);
    if (header.type === "file") this.files.set(name, { offset: 0, size: 0 });
    // docker save of old: a layer that occurs twice is a link to "../<id>/layer.tar".
    else if (header.type === "symlink") this.#links.set(name, cleanName(join(name, "..", header.link)));
    else this.#links.set(name, cleanName(header.link));
  }

  data(bytes: Buffer, offset: number): void {
    if (offset !== 0 || this.#current === undefined) return;
    const begin = this.position + (bytes.byteOffset - this.chunk.byteOffset);
    this.files.set(cleanName(this.#current.name), { offset: begin, size: this.#current.size });
  }

  end(): void {
    this.#current = undefined;
  }

  find(name: string): Member | undefined {
    // A description may say "../x": there is no such file in the archive.
    let current = join(".", name);
    for (let hops = 0; hops < MAX_HOPS; hops++) {
      const found = this.files.get(current);
      if (found !== undefined) return found;
      const next = this.#links.get(current);
      if (next === undefined) return undefined;
      current = next;
    }
    return undefined;
  }
}

/** A name or a link's target without "./"; one that leads out of the archive is a trick. */
function cleanName(name: string): string {
  const clean = join(".", name);
  if (clean === ".." || clean.startsWith("../") || clean.startsWith("/"))
    throw new BuildError("ARCHIVE_INVALID", `its member "${name}" leads out of the archive`);
  return clean;
}

async function* whole(
  file: FileHandle,
  { offset, size }: Member,
  path: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of chunksOf(file, { start: offset, length: size }, signal)) {
    done += chunk.length;
    yield chunk;
  }
  if (done < size) throw new BuildError("ARCHIVE_INVALID", `"${path}" became shorter while it was read`);
}

function named(path: string, error: unknown): unknown {
  if (!(error instanceof BuildError) || error.code !== "ARCHIVE_INVALID") return error;
  return new BuildError("ARCHIVE_INVALID", `"${path}": ${error.message}`, { cause: error, hint: error.hint });
}
