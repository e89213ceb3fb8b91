// Writing entries as a directory in overlay form (overlay-tree.ts says what that is).

import { lstatSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { fsPath, parentOf } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import { Digester } from "../../core/digest.ts";
import { isErrno } from "../../core/errors.ts";
import { fileOnDisk } from "../../core/space.ts";
import { lgetxattr, llistxattr } from "../../core/system/syscall.ts";
import { checkDigest, checkSize, ContentReader, digestOfBytes, digestOfFile } from "./content.ts";
import type { ContentSource, Entry, SourcedEntry } from "../entry.ts";
import { encodeEntry, indexLines } from "../index-file.ts";
import type { AlterRequest, LayerDirectory, WithEntries, WriteRequest, WrittenLayer } from "../jobs/jobs.ts";
import { comparePaths, sortEntries } from "../order.ts";
import { IMPLIED_DIRECTORY, isOverlayXattr, OverlayTree } from "./overlay-tree.ts";
import type { Attributes } from "./overlay-tree.ts";
import { invalidArchive } from "../tar/tar-format.ts";
import { writeAll } from "../../core/system/write-all.ts";

/** Does `LayerJobs.write`. `check` throws when the job is to stop. */
export function write(request: WriteRequest, check: () => void): WithEntries<WrittenLayer> {
  const tree = new OverlayTree(request.directory, request.overlayXattrs);
  try {
    const writer = new TreeWriter(tree, request);
    const entries = writer.write(sortEntries(request.entries), check);
    return { entries, ownBytes: writer.ownBytes };
  } catch (error) {
    tree.abandon();
    throw error;
  }
}

/** Does `LayerJobs.alter`. Files are written anew, never in place; a directory that fails half-way is removed. */
export function alter(request: AlterRequest, check: () => void): WithEntries<WrittenLayer> {
  const { removed, directories, added } = request.change;
  const tree = new OverlayTree(request.directory, request.overlayXattrs);
  try {
    for (const { path, type } of removed) {
      check();
      tree.remove(path, type === "dir");
    }
    const writer = new TreeWriter(tree, { hardlinkSources: false });
    const entries = writer.write(added, check, directories);
    return { entries, ownBytes: writer.ownBytes };
  } catch (error) {
    tree.abandon();
    throw error;
  }
}

const BUFFER_BYTES = 256 << 10;

class TreeWriter {
  readonly #tree: OverlayTree;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Directories made or altered, and what they will look like. Only below these is anything written. */
  readonly #directories = new Map<BytePath, Attributes | undefined>([["", undefined]]);
  readonly #opaque: BytePath[] = [];
  readonly #kept = new Map<BytePath, Entry>();
  readonly #linked = new Set<string>();
  readonly #areSourcesImmutable: boolean;
  readonly #spareDirectory: BytePath | undefined;
  readonly #twin: Twin | undefined;
  #mayLink = true;
  /** Of the disk, in whole blocks: all but what is linked from elsewhere. */
  ownBytes = 0;

  constructor(
    tree: OverlayTree,
    { hardlinkSources, spareDirectory, twin }: Pick<WriteRequest, "hardlinkSources" | "spareDirectory" | "twin">,
  ) {
    this.#tree = tree;
    this.#areSourcesImmutable = hardlinkSources;
    this.#spareDirectory = spareDirectory;
    this.#twin = twin && new Twin(twin);
  }

  /** `standing` are directories that are there already. */
  write(items: readonly SourcedEntry[], check: () => void, standing: readonly Entry[] = []): Entry[] {
    const written: Entry[] = [];
    for (const entry of standing) this.#directories.set(entry.path, entry);
    for (const item of items) {
      check();
      written.push(this.#add(item));
    }
    // Deepest first: a directory nobody may enter is closed after what it holds.
    for (const path of this.#opaque) this.#tree.makeOpaque(path);
    const directories = [...this.#directories].sort(([a], [b]) => comparePaths(b, a));
    for (const [path, attributes] of directories) {
      if (path !== "") this.#tree.setAttributes(path, attributes ?? IMPLIED_DIRECTORY);
    }
    return written;
  }

  #add(item: SourcedEntry): Entry {
    const { entry } = item;
    const { path } = entry;
    if (path === "") {
      if (entry.type === "opaque") this.#opaque.push(path);
      return entry;
    }
    if (entry.type !== "file" && entry.type !== "hardlink") this.ownBytes += fileOnDisk(0);
    if (entry.type !== "opaque") this.#ensureDirectory(parentOf(path));
    switch (entry.type) {
      case "dir":
        this.#tree.makeDirectory(path);
        this.#directories.set(path, entry);
        return entry;
      case "opaque":
        this.#ensureDirectory(path);
        this.#opaque.push(path);
        return entry;
      case "file": {
        const digest = this.#addFile(item);
        return digest === entry.digest ? entry : { ...entry, digest };
      }
      case "hardlink":
        this.#tree.makeHardLink(path, this.#targetOf(entry));
        return entry;
      case "symlink":
        this.#tree.makeSymlink(path, entry.link ?? "", entry);
        this.#kept.set(path, entry);
        return entry;
      case "whiteout":
        this.#tree.makeWhiteout(path);
        return entry;
      case "char":
      case "block":
      case "fifo":
        this.#tree.makeSpecial(path, entry);
        this.#kept.set(path, entry);
        return entry;
    }
  }

  /** A hard link's target must be something this tree made, or the link could lead anywhere. */
  #targetOf(entry: Entry): BytePath {
    const target = entry.link ?? "";
    if (!this.#kept.has(target)) throw invalidArchive("its target is not in the layer", entry.path);
    return target;
  }

  #ensureDirectory(path: BytePath): void {
    if (this.#directories.has(path)) return;
    this.#ensureDirectory(parentOf(path));
    this.#tree.makeDirectory(path);
    this.#directories.set(path, undefined);
  }

  #addFile(item: SourcedEntry): Digest {
    const { entry, source } = item;
    this.#kept.set(entry.path, entry);
    const twin = this.#twin?.fileLike(entry);
    if (twin !== undefined && entry.digest !== undefined && this.#linkTwin(entry, twin)) return entry.digest;
    const isSpare = this.#isSpare(source);
    const isLinked = (isSpare || this.#areSourcesImmutable) && this.#link(entry, source);
    // What is spare goes, and leaves its bytes to the tree.
    if (isSpare || !isLinked) this.ownBytes += fileOnDisk(entry.size);
    return isLinked ? (entry.digest ?? digestOfFile(item, this.#buffer)) : this.#copy(item);
  }

  #isSpare(source: ContentSource | undefined): boolean {
    return this.#spareDirectory !== undefined && source?.kind === "path" && source.path.startsWith(`${this.#spareDirectory}/`); // prettier-ignore
  }

  /**
   * What the index of a layer says of a file need not be asked again: layers never change. But a twin may share its inodes
   * with the sources, and then two names of the new layer could become one file.
   */
  #linkTwin(entry: Entry, twin: BytePath): boolean {
    if (this.#areSourcesImmutable) return this.#link(entry, { kind: "path", path: twin });
    return this.#mayLink && this.#linkFrom(twin, entry.path);
  }

  /** One name for an inode and tree: two files that are alike below are not one file here. */
  #link(entry: Entry, source: ContentSource | undefined): boolean {
    if (!this.#mayLink || source?.kind !== "path") return false;
    const stat = lstatSync(fsPath(source.path), { bigint: true, throwIfNoEntry: false });
    if (stat?.isFile() !== true || !isAlike(entry, stat)) return false;
    const inode = `${stat.dev}:${stat.ino}`;
    if (this.#linked.has(inode) || !hasXattrs(source.path, entry.xattrs)) return false;
    if (!this.#linkFrom(source.path, entry.path)) return false;
    this.#linked.add(inode);
    return true;
  }

  #linkFrom(source: BytePath, path: BytePath): boolean {
    try {
      this.#tree.linkFrom(source, path);
      return true;
    } catch (error) {
      // Another file system, or one that has no links, will not do for the next file either; too many links of one file
      // may, and one that a damaged layer has lost.
      if (isErrno(error, "EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) this.#mayLink = false;
      else if (!isErrno(error, "EMLINK", "ENOENT", "ENOTDIR")) throw error;
      return false;
    }
  }

  #copy(item: SourcedEntry): Digest {
    const { entry } = item;
    const fd = this.#tree.openFile(entry.path, entry.mode);
    let digest: Digest;
    try {
      digest = this.#copyContent(item, fd);
    } catch (error) {
      this.#tree.closeFile(fd, entry.path, { ...entry, uid: -1, gid: -1, xattrs: {} });
      throw error;
    }
    this.#tree.closeFile(fd, entry.path, entry);
    return digest;
  }

  #copyContent(item: SourcedEntry, fd: number): Digest {
    const { size } = item.entry;
    const reader = new ContentReader(item);
    try {
      const { read } = reader.read(this.#buffer, 0, Math.min(size + 1, BUFFER_BYTES));
      if (read < BUFFER_BYTES) {
        checkSize(item, read);
        const bytes = this.#buffer.subarray(0, read);
        writeAll(fd, bytes);
        const digest = digestOfBytes(bytes);
        checkDigest(item, digest);
        return digest;
      }
      const digester = new Digester();
      for (let length = read; length > 0; length = reader.read(this.#buffer, 0, BUFFER_BYTES).read) {
        const bytes = this.#buffer.subarray(0, length);
        digester.update(bytes);
        writeAll(fd, bytes);
        if (digester.sizeBytes > size) break;
      }
      checkSize(item, digester.sizeBytes);
      const digest = digester.digest();
      checkDigest(item, digest);
      return digest;
    } finally {
      reader.close();
    }
  }
}

/** The files of a layer that was made by the same op. */
class Twin {
  readonly #directory: BytePath;
  /** As its index has them: two entries are equal where their lines are. */
  readonly #lines: ReadonlySet<string>;

  constructor({ index, directory }: LayerDirectory) {
    this.#directory = directory;
    this.#lines = new Set(indexLines(index));
  }

  /** Where a file lies that is as the entry says. */
  fileLike(entry: Entry): BytePath | undefined {
    const isThere = entry.digest !== undefined && this.#lines.has(encodeEntry(entry));
    return isThere ? `${this.#directory}/${entry.path}` : undefined;
  }
}

function isAlike(entry: Entry, stat: BigIntStats): boolean {
  return (
    Number(stat.mode & 0o7777n) === entry.mode &&
    Number(stat.uid) === entry.uid &&
    Number(stat.gid) === entry.gid &&
    Number(stat.size) === entry.size &&
    stat.mtimeNs === entry.mtimeNs
  );
}

function hasXattrs(path: BytePath, wanted: Entry["xattrs"]): boolean {
  const names = llistxattr(path).filter(
    (name) => !isOverlayXattr(name) && !name.startsWith("trusted.") && name !== "security.selinux",
  );
  if (names.length !== Object.keys(wanted ?? {}).length) return false;
  return names.every((name) => {
    const [have, want] = [lgetxattr(path, name), wanted?.[name]];
    return have !== undefined && want !== undefined && Buffer.compare(have, want) === 0;
  });
}
