// Reads the directory of a cache mount: its list, and its content in chunks. Synchronous over one buffer, in a worker.

import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { compareBytes, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { isErrno } from "../../core/errors.ts";
import { lgetxattr, llistxattr } from "../../core/system/syscall.ts";
import { entryOf, readLink, readNames } from "../../layer/tree/disk-entry.ts";
import type { Entry } from "../../layer/entry.ts";
import type { LayerSearch } from "../../layer/view/layer-search.ts";
import { linkEntry } from "../../layer/order.ts";
import { ContentStream } from "./content.ts";
import { CHUNK_BYTES, Cutter } from "./cutter.ts";
import { isTravellingXattr } from "./listing.ts";

/** Somebody wrote to the mount while it was read. */
export class ChangedMount extends Error {
  readonly path: BytePath;

  constructor(path: BytePath) {
    super("a cache mount changed while it was read");
    this.path = path;
  }
}

export interface MountReader {
  /** Told of each chunk, which lies in a buffer that is used again, and of its place in the stream. */
  readonly onChunk: (bytes: Buffer, start: number) => Promise<void>;
  /** Sees all entries and all content. */
  readonly search?: LayerSearch | undefined;
}

/**
 * Reads a whole mount. Sockets, pipes and devices are left out: what listened to them is gone. Throws `ChangedMount` where
 * a file is not what it was when the reading began.
 */
export async function readMount(
  directory: BytePath,
  { onChunk, search }: MountReader,
): Promise<{ readonly entries: readonly Entry[]; readonly content: ContentStream }> {
  const found = listMount(directory);
  const content = new ContentStream(directory);
  const cutter = new Cutter();
  let start = 0;
  const emit = async (cut: () => Buffer | undefined): Promise<void> => {
    for (let chunk = cut(); chunk !== undefined; chunk = cut()) {
      await onChunk(chunk, start);
      start += chunk.length;
    }
  };
  for (const { entry, stat } of found) {
    search?.begin(entry);
    if (entry.type !== "file") continue;
    content.add(entry.path, entry.size);
    // What is large is cut alike wherever it lies.
    const isLarge = entry.size >= CHUNK_BYTES.usual;
    if (isLarge) await emit(() => cutter.rest());
    await readFile(joinBytes(directory, entry.path), entry, stat, cutter, { search, emit });
    if (isLarge) await emit(() => cutter.rest());
  }
  await emit(() => cutter.rest());
  search?.end();
  return { entries: found.map(({ entry }) => entry), content };
}

async function readFile(
  path: BytePath,
  entry: Entry,
  stat: BigIntStats,
  cutter: Cutter,
  { search, emit }: Pick<MountReader, "search"> & { readonly emit: (cut: () => Buffer | undefined) => Promise<void> },
): Promise<void> {
  const fd = openUnchanged(path, entry.path);
  try {
    for (let done = 0; done < entry.size;) {
      await emit(() => cutter.next());
      const room = cutter.room();
      const count = readSync(fd, room, 0, Math.min(room.length, entry.size - done), done);
      if (count === 0) throw new ChangedMount(entry.path);
      search?.content(room.subarray(0, count));
      cutter.take(count);
      done += count;
    }
    const now = fstatSync(fd, { bigint: true });
    const isSame =
      now.ino === stat.ino && now.size === stat.size && now.mtimeNs === stat.mtimeNs && now.ctimeNs === stat.ctimeNs;
    if (!isSame) throw new ChangedMount(entry.path);
  } finally {
    closeSync(fd);
  }
}

function openUnchanged(path: BytePath, name: BytePath): number {
  try {
    return openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ELOOP", "ENOTDIR")) throw new ChangedMount(name);
    throw error;
  }
}

interface Found {
  readonly entry: Entry;
  readonly stat: BigIntStats;
}

/** All entries, the directory itself first, each directory before what it holds. */
function listMount(directory: BytePath): Found[] {
  const found: Found[] = [];
  const firstNames = new Map<string, Entry>();
  const add = (path: BytePath): void => {
    const absolute = joinBytes(directory, path);
    const stat = lstatSync(fsPath(absolute), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) throw new ChangedMount(path);
    if (stat.isDirectory()) {
      found.push({ entry: withXattrs(entryOf(path, "dir", stat), absolute), stat });
      for (const name of readNames(absolute).sort(compareBytes)) add(joinBytes(path, name));
    } else if (stat.isSymbolicLink()) {
      found.push({ entry: { ...entryOf(path, "symlink", stat), link: readLink(absolute) }, stat });
    } else if (stat.isFile()) {
      const inode = String(stat.ino);
      const first = stat.nlink > 1n ? firstNames.get(inode) : undefined;
      if (first !== undefined) return void found.push({ entry: linkEntry(first, path, first.path), stat });
      const entry = withXattrs({ ...entryOf(path, "file", stat), size: Number(stat.size) }, absolute);
      if (stat.nlink > 1n) firstNames.set(inode, entry);
      found.push({ entry, stat });
    }
  };
  add("");
  return found;
}

function withXattrs(entry: Entry, absolute: BytePath): Entry {
  const names = llistxattr(absolute).filter(isTravellingXattr);
  if (names.length === 0) return entry;
  const values = names.map((name) => [name, lgetxattr(absolute, name) ?? new Uint8Array()] as const);
  return { ...entry, xattrs: Object.fromEntries(values) };
}
