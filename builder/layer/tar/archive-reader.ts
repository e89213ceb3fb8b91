// Reads a tar as a layer (or as an archive of ADD): each member is checked, put into the
// tree (layer-tree.ts) and handed to a store. What a hostile archive may try ends here:
// names are cleaned, "..", markers and links are resolved in the tree, sizes are limited.

import { ftruncateSync } from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { baseOf, parentOf } from "../../core/bytes/byte-path.ts";
import { Digester } from "../../core/digest.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOfBytes, EMPTY_DIGEST } from "../tree/content.ts";
import type { Entry } from "../entry.ts";
import type { Inode, TreeNode } from "./layer-tree.ts";
import { LayerTree } from "./layer-tree.ts";
import type { MemberStore } from "./member-store.ts";
import { isOverlayXattr } from "../tree/overlay-tree.ts";
import type { TarHeader } from "./tar-format.ts";
import { invalidArchive } from "./tar-format.ts";
import type { TarSink } from "./tar-reader.ts";
import { tooLarge } from "../unpack-limits.ts";
import type { NameMeaning } from "../whiteout.ts";
import { meaningOf } from "../whiteout.ts";
import { writeAll } from "../../core/system/write-all.ts";

export interface ArchiveRules {
  /** "layer": ".wh." names are deletions. "archive": they are names like any other. */
  readonly kind: "layer" | "archive";
  /** The sum of all files' sizes, holes included, may not be more. */
  readonly maxContentBytes: number;
  /** Times (ns) of paths, where they are known better than the archive has them. */
  readonly times?: ReadonlyMap<BytePath, bigint> | undefined;
}

/** Takes the members of one archive. */
export class ArchiveReader implements TarSink {
  readonly tree: LayerTree;
  readonly #rules: ArchiveRules;
  readonly #store: MemberStore;
  #member = 0;
  #contentBytes = 0;
  #file: OpenFile | undefined;

  constructor(rules: ArchiveRules, store: MemberStore) {
    this.#rules = rules;
    this.#store = store;
    this.tree = new LayerTree(
      (node) => store.makeDirectory(node),
      (node) => store.remove(node),
    );
  }

  begin(header: TarHeader): void {
    this.#contentBytes += header.size;
    if (this.#contentBytes > this.#rules.maxContentBytes) throw tooLarge(this.#rules.maxContentBytes);
    const path = cleanName(header.name);
    const member = this.#member++;
    if (path === "") {
      if (header.type === "dir") this.tree.root.inode = this.#inode(this.#entryOf(header, ""), member);
      return;
    }
    const meaning = this.#meaningOf(header, path);
    switch (meaning.kind) {
      case "reserved":
        return;
      case "opaque":
        this.tree.directory(meaning.directory).isOpaque = true;
        return;
      case "whiteout": {
        const parent = this.tree.directory(parentOf(meaning.hides));
        const entry = { ...MARKER, path: meaning.hides };
        const node = this.tree.putWhiteout(parent, baseOf(meaning.hides), entry);
        if (node !== undefined) this.#store.make(node.path, entry);
        return;
      }
      case "plain":
        this.#addPlain(header, path, member);
    }
  }

  data(bytes: Buffer, offset: number): void {
    this.#file?.write(bytes, offset);
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const entry = { ...file.inode.entry, digest: file.finish() };
    file.inode.entry = entry;
    if (file.fd !== undefined) this.#store.closeFile(file.fd, entry.path, entry);
  }

  /** All members have come: directories get their attributes. */
  finish(): void {
    this.#store.finish(this.tree);
  }

  /** Closes what is open and removes what was written. */
  abandon(): void {
    const fd = this.#file?.fd;
    const entry = this.#file?.inode.entry;
    this.#file = undefined;
    try {
      if (fd !== undefined && entry !== undefined) this.#store.closeFile(fd, entry.path, entry);
    } finally {
      this.#store.abandon();
    }
  }

  #meaningOf(header: TarHeader, path: BytePath): NameMeaning {
    if (this.#rules.kind === "archive") return { kind: "plain" };
    // Overlayfs would take this device for a whiteout: so do we, that the index says what the disk shows.
    const isDevice = header.type === "char" && header.major === 0 && header.minor === 0;
    return isDevice ? { kind: "whiteout", hides: path } : meaningOf(path);
  }

  #entryOf(header: TarHeader, path: BytePath): Entry {
    const entry = entryOf(header, path);
    const mtimeNs = this.#rules.times?.get(path);
    return mtimeNs === undefined ? entry : { ...entry, mtimeNs };
  }

  #addPlain(header: TarHeader, path: BytePath, member: number): void {
    const parent = this.tree.directory(parentOf(path));
    const name = baseOf(path);
    if (header.type === "dir") {
      this.tree.putDirectory(parent, name, this.#inode(this.#entryOf(header, path), member));
      return;
    }
    if (header.type === "hardlink") {
      this.#addLink(header, parent, name);
      return;
    }
    const inode = this.#inode(this.#entryOf(header, path), member);
    const node = this.tree.put(parent, name, inode);
    const entry = (inode.entry = { ...inode.entry, path: node.path });
    if (header.type !== "file") {
      this.#store.make(node.path, entry);
      return;
    }
    this.#file = new OpenFile(inode, this.#store.openFile(node.path, member, entry));
  }

  #addLink(header: TarHeader, parent: TreeNode, name: BytePath): void {
    const targetPath = cleanName(header.link);
    const target = this.#findTarget(targetPath);
    const inode = target?.inode;
    if (
      target === undefined ||
      inode === undefined ||
      target.children !== undefined ||
      inode.entry.type === "whiteout"
    ) {
      throw invalidArchive(`it links to "${targetPath}", which the archive does not hold before it`, header.name);
    }
    if (parent.children?.get(name) === target) return; // a link to itself
    // The target may be what the link replaces a directory above of: then it is gone.
    const node = this.tree.put(parent, name, inode);
    if (inode.names.size < 2) throw invalidArchive("it replaces what it links to", header.name);
    this.#store.make(node.path, { ...inode.entry, path: node.path, type: "hardlink", link: target.path });
    this.#takeAttributes(header, inode, node.path);
  }

  /** A link's header describes the same inode: the last one counts, as with containerd. */
  #takeAttributes(header: TarHeader, inode: Inode, path: BytePath): void {
    const { mode, uid, gid, mtimeNs } = header;
    const { entry } = inode;
    if (entry.type === "symlink") return; // there is no chmod for it
    if (entry.mode === mode && entry.uid === uid && entry.gid === gid && entry.mtimeNs === mtimeNs) return;
    inode.entry = { ...entry, mode, uid, gid, mtimeNs };
    this.#store.changeAttributes(path, inode.entry);
  }

  #findTarget(path: BytePath): TreeNode | undefined {
    return path === "" ? undefined : this.tree.find(this.tree.directory(parentOf(path)), baseOf(path));
  }

  #inode(entry: Entry, member: number): Inode {
    return { entry, member, names: new Set() };
  }
}

const MARKER = { type: "whiteout", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n } as const;

/** The content of a file on its way to the store. */
class OpenFile {
  readonly inode: Inode;
  readonly fd: number | undefined;
  #digester: Digester | undefined;
  #hashed = 0;
  #digest: Digest | undefined;

  constructor(inode: Inode, fd: number | undefined) {
    this.inode = inode;
    this.fd = fd;
  }

  write(bytes: Buffer, offset: number): void {
    const { size } = this.inode.entry;
    if (this.fd !== undefined) writeAll(this.fd, bytes, offset);
    if (offset === 0 && bytes.length === size) {
      // Most files are small and come in one piece: one call instead of three.
      this.#digest = digestOfBytes(bytes);
      return;
    }
    this.#digester ??= new Digester();
    this.#hashZerosUntil(offset);
    this.#digester.update(bytes);
    this.#hashed += bytes.length;
  }

  finish(): Digest {
    const { size } = this.inode.entry;
    if (size === 0) return EMPTY_DIGEST;
    if (this.#digest !== undefined) return this.#digest;
    this.#digester ??= new Digester();
    // A hole at the end is not written, only the length.
    if (this.fd !== undefined && this.#hashed < size) ftruncateSync(this.fd, size);
    this.#hashZerosUntil(size);
    return this.#digester.digest();
  }

  #hashZerosUntil(offset: number): void {
    while (this.#hashed < offset) {
      const count = Math.min(ZEROS.length, offset - this.#hashed);
      this.#digester?.update(ZEROS.subarray(0, count));
      this.#hashed += count;
    }
  }
}

const ZEROS = Buffer.alloc(1 << 20);

/** A member's name as a clean relative path. Throws `ARCHIVE_INVALID` for names that lead above the root. */
function cleanName(name: BytePath): BytePath {
  if (name.length > MAX_NAME_BYTES) throw invalidArchive("its name is too long", name.slice(0, 100));
  if (IS_CLEAN.test(name)) return name.endsWith("/") ? name.slice(0, -1) : name;
  const parts: BytePath[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw invalidArchive('it leads out of the archive by ".."', name);
  }
  return parts.join("/");
}

/** PATH_MAX of Linux: no file system takes more. */
const MAX_NAME_BYTES = 4096;

/** No empty part, and none that begins with a dot followed by nothing or another dot: those take the long way. */
const IS_CLEAN = /^(?!\.?(?:\/|$))(?!\.\.?(?:\/|$))(?!.*\/(?:\/|\.\.?(?:\/|$)))/s;

function entryOf(header: TarHeader, path: BytePath): Entry {
  const { type, mode, uid, gid, size, mtimeNs, link, xattrs } = header;
  const isDevice = type === "char" || type === "block";
  if (isDevice && (header.major > 0xfff || header.minor > 0xfffff || header.major < 0 || header.minor < 0)) {
    throw invalidArchive(`its device number ${header.major}:${header.minor} is out of range`, header.name);
  }
  if (uidIsOutOfRange(uid) || uidIsOutOfRange(gid))
    throw invalidArchive(`its owner ${uid}:${gid} is out of range`, header.name);
  if (type === "symlink" && (link === "" || link.length > MAX_NAME_BYTES))
    throw invalidArchive("its target is empty or too long", header.name);
  const kept = xattrs === undefined ? [] : Object.entries(xattrs).filter(([name]) => !isOverlayXattr(name));
  return {
    path,
    type,
    mode,
    uid,
    gid,
    size,
    mtimeNs,
    ...(type === "symlink" ? { link } : {}),
    ...(isDevice ? { major: header.major, minor: header.minor } : {}),
    ...(kept.length > 0 ? { xattrs: Object.fromEntries(kept) } : {}),
  };
}

/** 2^32-1 means "do not change" to chown. */
function uidIsOutOfRange(id: number): boolean {
  return id > 0xfffffffe;
}
