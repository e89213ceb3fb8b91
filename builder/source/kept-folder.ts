// A client's folder as it is kept here from build to build. The files themselves say what is known: what has the size,
// time, mode and target that the client tells of is not asked for again, what the client has no longer goes. Nothing is
// written through what is there: neither a symlink nor another name of a file. Digests are made of the bytes as they come,
// so that a build need not read them again.

import type { Hash } from "node:crypto";
import { createHash, hash } from "node:crypto";
import * as fs from "node:fs";
import type { BytePath } from "../core/byte-path.ts";
import { bytePath, displayPath, fsPath, joinBytes, parentOf } from "../core/byte-path.ts";
import type { ClientFile, FileReceiver } from "../core/client-file.ts";
import type { Digest } from "../core/digest.ts";
import { asBuildError, BuildError, isErrno } from "../core/errors.ts";
import type { Reservation, StoreSpace } from "../core/space.ts";
import { fileOnDisk } from "../core/space.ts";
import { mknod, S_IF, setMtimeNs, setOpenMtimeNs } from "../core/syscall.ts";
import { removeTree } from "../layer/tree/remove-tree.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** Room is asked for in such pieces: the account is on disk. */
const AHEAD_BYTES = 4 << 20;
const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

/** A file whose bytes are wanted, and what of it is there already, to be written over. */
interface WantedFile {
  readonly told: ClientFile;
  readonly there: fs.BigIntStats | undefined;
}

interface OpenFile extends WantedFile {
  readonly fd: number;
  written: number;
  /** Of what was written; a file that came in one piece has its digest at once. */
  hash: Hash | Digest | undefined;
}

/** Keeps digests of files that nobody else changes. */
export interface KnownDigests {
  vouch(path: BytePath, fingerprint: Fingerprint, digest: Digest): void;
  save(): void;
}

/** What a folder is brought with. */
export interface KeptFolderWorld {
  /** Told of the bytes that have come. */
  readonly progress: (bytes: number) => void;
  /** Of the store in which the folder lies. */
  readonly space: StoreSpace;
  readonly known: KnownDigests | undefined;
}

/** Brings a folder to what a client tells. Call `finish` when all has come; disposing it closes what is open. */
export class KeptFolder implements FileReceiver, Disposable {
  readonly #root: BytePath;
  readonly #world: KeptFolderWorld;
  readonly #told = new Map<BytePath, ClientFile>();
  readonly #wanted = new Map<BytePath, WantedFile>();
  readonly #open = new Map<BytePath, OpenFile>();
  readonly #links: ClientFile[] = [];
  readonly #digests = new Map<BytePath, { readonly digest: Digest; readonly fingerprint: Fingerprint }>();
  /** Directories that were not there: nothing is in them but what was told of. */
  readonly #fresh = new Set<BytePath>();
  readonly #reserved: Reservation[] = [];
  /** Bytes that have come, those that are wanted and have no room yet, and room that nobody wants yet. */
  #bytes = 0;
  #unreserved = 0;
  #ahead = 0;

  /** `root` is there already. */
  constructor(root: string, world: KeptFolderWorld) {
    this.#root = bytePath(root);
    this.#world = world;
  }

  entry(file: ClientFile): boolean {
    return this.#explained(file.path, () => {
      this.#told.set(file.path, file);
      const there = this.#fresh.has(parentOf(file.path)) ? undefined : this.#lstat(file.path);
      const known = there !== undefined && isSameKind(there, file.type) ? there : undefined;
      if (there !== undefined && known === undefined) this.#clear(file.path, there);
      switch (file.type) {
        case "dir":
          if (known === undefined) {
            fs.mkdirSync(this.#at(file.path), 0o700);
            this.#fresh.add(file.path);
          }
          // What is written into it must be possible; its own mode comes at the end.
          else if ((known.mode & 0o700n) !== 0o700n) fs.chmodSync(this.#at(file.path), 0o700);
          return false;
        case "symlink":
          this.#symlink(file, known);
          return false;
        case "file":
          return this.#file(file, known);
        case "hardlink":
          if (file.link === undefined || !this.#told.has(file.link) || file.link === file.path)
            throw new BuildError("CONTEXT", `"${displayPath(file.path)}" is a link to a file that was not told of`);
          this.#links.push(file);
          return false;
        case "fifo":
        case "char":
        case "block":
          if (known !== undefined) fs.unlinkSync(this.#at(file.path));
          mknod(this.#onDisk(file.path), S_IF[file.type] | 0o600, file.major ?? 0, file.minor ?? 0);
          this.#complete(file);
          return false;
      }
    });
  }

  async room(): Promise<void> {
    if (this.#unreserved > this.#ahead) {
      const bytes = this.#unreserved - this.#ahead + AHEAD_BYTES;
      this.#reserved.push(await this.#world.space.reserve(bytes));
      this.#ahead += bytes;
    }
    this.#ahead -= this.#unreserved;
    this.#unreserved = 0;
  }

  data(path: BytePath, bytes: Uint8Array): void {
    this.#explained(path, () => {
      const open = this.#opened(path);
      if (open.written + bytes.length > open.told.size) throw changed(path);
      for (let at = 0; at < bytes.length;) at += fs.writeSync(open.fd, bytes, at);
      if (this.#world.known !== undefined) addTo(open, bytes);
      open.written += bytes.length;
      this.#bytes += bytes.length;
      this.#world.progress(this.#bytes);
    });
  }

  done(path: BytePath): void {
    this.#explained(path, () => {
      const { fd, told, there, written, hash } = this.#opened(path);
      try {
        // What vanished while it was sent arrives as an empty file.
        if (written !== told.size) throw changed(path);
        if (there !== undefined && there.size > told.size) fs.ftruncateSync(fd, told.size);
        setOpenMtimeNs(fd, told.mtimeNs, path);
        const fingerprint = fingerprintOf(withMode(fd, told.mode));
        if (hash === undefined) return;
        const digest: Digest = typeof hash === "string" ? hash : `sha256:${hash.digest("hex")}`;
        this.#digests.set(path, { digest, fingerprint });
      } finally {
        this.#open.delete(path);
        this.#wanted.delete(path);
        fs.closeSync(fd);
      }
    });
  }

  /** Makes the links, takes away what the client does not have, gives directories their modes; what is there takes so many bytes, about. */
  finish(): number {
    for (const link of this.#links) this.#explained(link.path, () => this.#link(link));
    this.#removeOthers("");
    for (const file of [...this.#told.values()].toReversed())
      if (file.type === "dir") this.#explained(file.path, () => this.#complete(file));
    if (this.#digests.size > 0) this.#explained("", () => this.#vouch());
    return [...this.#told.values()].reduce((sum, { size }) => sum + fileOnDisk(size), 0);
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
    for (const reserved of this.#reserved) reserved[Symbol.dispose]();
  }

  #symlink({ path, link = "", mtimeNs }: ClientFile, known: fs.BigIntStats | undefined): void {
    if (known !== undefined && known.mtimeNs === mtimeNs && readLink(this.#at(path)) === link) return;
    if (known !== undefined) fs.unlinkSync(this.#at(path));
    fs.symlinkSync(fsPath(link), this.#at(path));
    setMtimeNs(this.#onDisk(path), mtimeNs);
  }

  #file(file: ClientFile, known: fs.BigIntStats | undefined): boolean {
    const isSame =
      known !== undefined &&
      known.size === BigInt(file.size) &&
      known.mtimeNs === file.mtimeNs &&
      Number(known.mode & 0o7777n) === file.mode;
    if (isSame) return false;
    // What has one name is nobody else's: it is written over, for half of what another file in its place would cost.
    const there = known !== undefined && known.nlink === 1n && (known.mode & 0o200n) !== 0n ? known : undefined;
    if (known !== undefined && there === undefined) fs.unlinkSync(this.#at(file.path));
    this.#wanted.set(file.path, { told: file, there });
    this.#unreserved += fileOnDisk(file.size);
    if (file.size > 0) return true;
    this.done(file.path);
    return false;
  }

  #opened(path: BytePath): OpenFile {
    const open = this.#open.get(path);
    if (open !== undefined) return open;
    const wanted = this.#wanted.get(path);
    if (wanted === undefined) throw new BuildError("INTERNAL", `"${displayPath(path)}" was not wanted`);
    const { told, there } = wanted;
    const flags = there === undefined ? O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW : O_WRONLY | O_NOFOLLOW;
    const fd = fs.openSync(this.#at(path), flags, told.mode & 0o777);
    const opened: OpenFile = { told, there, fd, written: 0, hash: undefined };
    this.#open.set(path, opened);
    return opened;
  }

  #link({ path, link = "" }: ClientFile): void {
    const [target, there] = [this.#lstat(link), this.#lstat(path)];
    if (target !== undefined && target.ino === there?.ino) return;
    if (there !== undefined) this.#clear(path, there);
    fs.linkSync(this.#at(link), this.#at(path));
  }

  #complete({ path, mode, mtimeNs }: ClientFile): void {
    fs.chmodSync(this.#at(path), mode);
    setMtimeNs(this.#onDisk(path), mtimeNs);
  }

  #vouch(): void {
    const { known } = this.#world;
    // Another name changes when a file was changed last.
    const linked = new Set(this.#links.map(({ link }) => link));
    for (const [path, { digest, fingerprint }] of this.#digests) {
      const there = linked.has(path) ? this.#lstat(path) : undefined;
      known?.vouch(path, there === undefined ? fingerprint : fingerprintOf(there), digest);
    }
    known?.save();
  }

  #removeOthers(directory: BytePath): void {
    if (this.#fresh.has(directory)) return;
    for (const name of fs.readdirSync(this.#at(directory), { encoding: "latin1" })) {
      const path = joinBytes(directory, name);
      const told = this.#told.get(path);
      if (told?.type === "dir") this.#removeOthers(path);
      if (told !== undefined) continue;
      const there = this.#lstat(path);
      if (there !== undefined) this.#clear(path, there);
    }
  }

  #clear(path: BytePath, there: fs.BigIntStats): void {
    if (there.isDirectory()) removeTree(this.#onDisk(path));
    else fs.unlinkSync(this.#at(path));
  }

  #lstat(path: BytePath): fs.BigIntStats | undefined {
    return fs.lstatSync(this.#at(path), { bigint: true, throwIfNoEntry: false });
  }

  #onDisk(path: BytePath): BytePath {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }

  #at(path: BytePath): string | Buffer {
    return fsPath(this.#onDisk(path));
  }

  #explained<T>(path: BytePath, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isErrno(error, "ENOSPC", "EDQUOT", "EROFS")) throw asBuildError(error);
      if (error instanceof BuildError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new BuildError("CONTEXT", `"${displayPath(path)}" of the build context cannot be kept: ${why}`, {
        cause: error,
      });
    }
  }
}

/** Gives an open file its mode where it has another, and says what it is then. */
function withMode(fd: number, mode: number): fs.BigIntStats {
  const stat = fs.fstatSync(fd, { bigint: true });
  if (Number(stat.mode & 0o7777n) === mode) return stat;
  fs.fchmodSync(fd, mode);
  return fs.fstatSync(fd, { bigint: true });
}

function addTo(open: OpenFile, bytes: Uint8Array): void {
  if (bytes.length === open.told.size) open.hash = `sha256:${hash("sha256", bytes, "hex")}`;
  else if (open.hash === undefined) open.hash = createHash("sha256").update(bytes);
  else if (typeof open.hash !== "string") open.hash.update(bytes);
}

function isSameKind(there: fs.BigIntStats, type: ClientFile["type"]): boolean {
  switch (type) {
    case "dir":
      return there.isDirectory();
    case "symlink":
      return there.isSymbolicLink();
    case "file":
    case "hardlink":
      return there.isFile();
    case "fifo":
      return there.isFIFO();
    case "char":
      return there.isCharacterDevice();
    case "block":
      return there.isBlockDevice();
  }
}

function readLink(path: string | Buffer): BytePath {
  return fs.readlinkSync(path, { encoding: "latin1" });
}

function changed(path: BytePath): BuildError {
  return new BuildError("CONTEXT", `"${displayPath(path)}" changed while it was sent`, {
    hint: "let whatever writes to it finish, and build again",
  });
}
