// ADD of an archive: its members are applied in order on the destination, which is the
// root for everything the archive names, as if the process had changed its root to it.

import { closeSync, createReadStream, ftruncateSync, mkdirSync, openSync } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, displayPath, fsPath, joinBytes, parentOf } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";
import { writeAll } from "../../core/system/write-all.ts";
import { decompress } from "../../layer/compression/decompress.ts";
import type { ContentSource } from "../../layer/entry.ts";
import type { Statable } from "../../layer/tree/resolve-path.ts";
import { cleanAbsolute, resolvePath, rootPath } from "../../layer/tree/resolve-path.ts";
import type { TarHeader } from "../../layer/tar/tar-format.ts";
import { invalidArchive } from "../../layer/tar/tar-format.ts";
import type { TarSink } from "../../layer/tar/tar-reader.ts";
import { TarReader } from "../../layer/tar/tar-reader.ts";
import type { Owner } from "../passwd.ts";
import { makeDirectories } from "./directories.ts";
import { keptXattrs } from "./place.ts";
import type { Inode, WorkNode, WorkTree } from "./work-tree.ts";
import { newInode } from "./work-tree.ts";

const IMPLIED_MODE = 0o755;
const CHUNK_BYTES = 1 << 20;

/** Files for unpacked content, named by number. */
export class ScratchFiles {
  readonly #directory: string;
  #count = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Path of a file that does not exist yet. */
  next(): string {
    if (this.#count === 0) mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    return `${this.#directory}/${this.#count++}`;
  }
}

/** BuildKit's ADD fails at these: contiguous and sparse files (of GNU's old format), ACLs, GNU's directory lists and volume labels. */
const REFUSED_TYPES = "7SADV";

export interface UnpackOptions {
  /** Of everything in the archive (`--chown`); undefined: as the archive says. */
  readonly owner: Owner | undefined;
  readonly scratch: ScratchFiles;
  readonly signal: AbortSignal;
}

/**
 * Unpacks a file into a directory, which is made if it is missing. False when the content is no archive: then
 * nothing was done. Throws `ARCHIVE_INVALID` when it breaks off or cannot be applied.
 */
export async function unpackArchive(
  tree: WorkTree,
  archive: ContentSource,
  destination: BytePath,
  options: UnpackOptions,
): Promise<boolean> {
  const sink = new Unpacker(tree, destination, options);
  const reader = new TarReader(sink, REFUSED_TYPES);
  try {
    for await (const chunk of decompress(bytesOf(archive, options.signal), "archive")) {
      options.signal.throwIfAborted();
      reader.push(chunk);
      // What is wrong behind the archive's end is nobody's loss, and BuildKit does not look.
      if (reader.isAtEnd) break;
    }
    reader.end();
    sink.finish();
  } catch (error) {
    sink.abandon();
    if (options.signal.aborted || sink.hasBegun || reader.hasRefused) throw error;
    // What fails before its first member is no archive, and is copied as it is.
    if (error instanceof BuildError && error.code === "ARCHIVE_INVALID") return false;
    throw error;
  }
  return sink.hasBegun;
}

function bytesOf(source: ContentSource, signal: AbortSignal): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (source.kind === "bytes") return [source.bytes];
  return createReadStream(fsPath(source.path), { highWaterMark: CHUNK_BYTES, signal });
}

class Unpacker implements TarSink {
  hasBegun = false;
  readonly #tree: WorkTree;
  readonly #destination: BytePath;
  readonly #options: UnpackOptions;
  /** The destination as the root of links. */
  #view: Statable = { lstat: () => undefined };
  #root: WorkNode | undefined;
  #file: { fd: number; size: number; written: number } | undefined;
  /** The directory of the member before, while nothing was taken away since. */
  #lastParent: { path: BytePath; node: WorkNode } | undefined;
  readonly #times: { inode: Inode; mtimeNs: bigint }[] = [];

  constructor(tree: WorkTree, destination: BytePath, options: UnpackOptions) {
    this.#tree = tree;
    this.#destination = destination;
    this.#options = options;
  }

  begin(header: TarHeader): void {
    const root = this.#begun();
    const path = cleanAbsolute(header.name).slice(1);
    if (path === "") {
      this.#rootMember(header, root);
      return;
    }
    const parent = this.#parent(parentOf(path), header, root);
    const name = baseOf(path);
    const existing = this.#tree.child(parent, name);
    const merges = existing?.inode.type === "dir" && header.type === "dir";
    if (existing !== undefined && !merges) {
      this.#tree.unlink(parent, name);
      this.#lastParent = undefined;
    }
    if (header.type === "hardlink") {
      this.#hardLink(header, parent, name);
      return;
    }
    const node = merges ? existing : this.#make(header, parent, name);
    this.#setAttributes(node.inode, header);
    if (header.type === "dir") this.#times.push({ inode: node.inode, mtimeNs: boundTime(header.mtimeNs) });
  }

  data(bytes: Buffer, offset: number): void {
    const file = this.#file;
    if (file === undefined) return;
    writeAll(file.fd, bytes, offset);
    file.written = offset + bytes.length;
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    if (file.written < file.size) ftruncateSync(file.fd, file.size);
    this.abandon();
  }

  /** All members have come: directories get their times. */
  finish(): void {
    for (const { inode, mtimeNs } of this.#times) inode.mtimeNs = mtimeNs;
  }

  /** Closes what is open. */
  abandon(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file.fd);
  }

  #begun(): WorkNode {
    if (this.#root !== undefined) return this.#root;
    this.hasBegun = true;
    const path = rootPath(this.#tree, this.#destination);
    this.#root = makeDirectories(this.#tree, path, IMPLIED_MODE, this.#options.owner);
    this.#view = { lstat: (below) => this.#tree.lstat(joinBytes(path, below)) };
    return this.#root;
  }

  // "./" and an empty name say nothing about the destination; "/" does.
  #rootMember(header: TarHeader, root: WorkNode): void {
    if (!header.name.startsWith("/") && !header.name.includes("..")) return;
    if (header.type !== "dir") throw invalidArchive("it would replace the destination itself", header.name);
    this.#setAttributes(root.inode, header);
    this.#times.push({ inode: root.inode, mtimeNs: boundTime(header.mtimeNs) });
  }

  /** The directory a member goes into. What is missing is made, owned by root; links are followed, those to nowhere are an error. */
  #parent(path: BytePath, header: TarHeader, root: WorkNode): WorkNode {
    if (path === "") return root;
    if (this.#lastParent?.path === path) return this.#lastParent.node;
    const above = this.#parent(parentOf(path), header, root);
    let node = this.#tree.child(above, baseOf(path));
    if (node === undefined) {
      node = this.#tree.makeDirectory(above, baseOf(path), IMPLIED_MODE);
      node.inode.gid = 0;
    } else if (node.inode.type === "symlink") {
      const target = resolvePath(this.#view, path, { followLast: true });
      if (target.entry === undefined)
        throw invalidArchive(`open /${displayPath(path)}: no such file or directory`, header.name);
      node = this.#nodeAt(target.path);
    }
    if (node?.inode.type !== "dir") throw invalidArchive(`"/${displayPath(path)}" is not a directory`, header.name);
    this.#lastParent = { path, node };
    return node;
  }

  #nodeAt(path: BytePath): WorkNode | undefined {
    return this.#tree.find(joinBytes(rootPath(this.#tree, this.#destination), path));
  }

  #make(header: TarHeader, parent: WorkNode, name: BytePath): WorkNode {
    if (header.type === "dir") return this.#tree.makeDirectory(parent, name, header.mode);
    const inode = newInode(header.type === "hardlink" ? "file" : header.type, header.mode, 0n);
    if (header.type === "symlink") inode.link = header.link;
    if (header.type === "char" || header.type === "block")
      Object.assign(inode, { major: header.major, minor: header.minor });
    if (header.type === "file") {
      inode.size = header.size;
      inode.content = { kind: "source", source: this.#content(header) };
    }
    return this.#tree.link(parent, name, inode);
  }

  #content(header: TarHeader): ContentSource {
    if (header.size === 0) return { kind: "bytes", bytes: new Uint8Array() };
    const path = this.#options.scratch.next();
    this.#file = { fd: openSync(path, "wx", 0o600), size: header.size, written: 0 };
    return { kind: "path", path };
  }

  /** Another name for what an earlier member or the destination has; the header's attributes are then those of both. */
  #hardLink(header: TarHeader, parent: WorkNode, name: BytePath): void {
    const target = resolvePath(this.#view, cleanAbsolute(header.link), { followLast: false });
    const node = this.#nodeAt(target.path);
    if (target.entry === undefined || node === undefined)
      throw invalidArchive(`it links to "${displayPath(header.link)}", which is not there`, header.name);
    if (node.inode.type === "dir")
      throw invalidArchive(`it links to the directory "${displayPath(header.link)}"`, header.name);
    this.#tree.link(parent, name, node.inode);
    this.#setAttributes(node.inode, header);
  }

  #setAttributes(inode: Inode, header: TarHeader): void {
    const { uid, gid } = this.#options.owner ?? header;
    inode.uid = uid;
    inode.gid = gid;
    const isLinkToLink = header.type === "hardlink" && inode.type === "symlink";
    if (inode.type !== "symlink") inode.mode = header.mode;
    if (!isLinkToLink) inode.mtimeNs = boundTime(header.mtimeNs);
    // Changing the owner took the capabilities away; those of the member come after.
    if (inode.type !== "dir") inode.xattrs = keptXattrs(header.xattrs === undefined ? {} : { xattrs: header.xattrs });
  }
}

/** Times before the epoch become the epoch. */
function boundTime(mtimeNs: bigint): bigint {
  return mtimeNs < 0n ? 0n : mtimeNs;
}
