// A client's folder as it is kept here from build to build. The files themselves say what is known: what has the size,
// time, mode and target that the client tells of is not asked for again, what the client has no longer goes. Nothing is
// written through what is there: neither a symlink nor another name of a file. Digests are made of the bytes as they come,
// so that a build need not read them again.

import type { Hash } from "node:crypto";
import { createHash, hash } from "node:crypto";
import * as fs from "node:fs";
import type { BytePath } from "../core/byte-path.ts";
import { bytePath, displayPath, fsPath, joinBytes } from "../core/byte-path.ts";
import type { ClientFile, FileReceiver } from "../core/client-file.ts";
import type { Digest } from "../core/digest.ts";
import { asBuildError, BuildError, isErrno } from "../core/errors.ts";
import { mknod, S_IF, setMtimeNs } from "../core/syscall.ts";
import { removeTree } from "../layer/remove-tree.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { fingerprintOf } from "./fingerprint.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

interface OpenFile {
  readonly told: ClientFile;
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

/** Brings a folder to what a client tells. Call `finish` when all has come; disposing it closes what is open. */
export class KeptFolder implements FileReceiver, Disposable {
  readonly #root: BytePath;
  readonly #progress: (bytes: number) => void;
  readonly #told = new Map<BytePath, ClientFile>();
  readonly #wanted = new Map<BytePath, ClientFile>();
  readonly #open = new Map<BytePath, OpenFile>();
  readonly #links: ClientFile[] = [];
  readonly #known: KnownDigests | undefined;
  readonly #digests = new Map<BytePath, Digest>();
  #bytes = 0;

  /** `root` is there already; `progress` is told of the bytes that have come, `known` of their digests. */
  constructor(root: string, progress: (bytes: number) => void, known?: KnownDigests) {
    this.#root = bytePath(root);
    this.#progress = progress;
    this.#known = known;
  }

  entry(file: ClientFile): boolean {
    return this.#explained(file.path, () => {
      this.#told.set(file.path, file);
      const there = this.#lstat(file.path);
      const known = there !== undefined && isSameKind(there, file.type) ? there : undefined;
      if (there !== undefined && known === undefined) this.#clear(file.path, there);
      switch (file.type) {
        case "dir":
          if (known === undefined) fs.mkdirSync(this.#at(file.path), 0o700);
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

  data(path: BytePath, bytes: Uint8Array): void {
    this.#explained(path, () => {
      const open = this.#opened(path);
      if (open.written + bytes.length > open.told.size) throw changed(path);
      for (let at = 0; at < bytes.length;) at += fs.writeSync(open.fd, bytes, at);
      if (this.#known !== undefined) addTo(open, bytes);
      open.written += bytes.length;
      this.#bytes += bytes.length;
      this.#progress(this.#bytes);
    });
  }

  done(path: BytePath): void {
    this.#explained(path, () => {
      const open = this.#opened(path);
      fs.closeSync(open.fd);
      this.#open.delete(path);
      this.#wanted.delete(path);
      // What vanished while it was sent arrives as an empty file.
      if (open.written !== open.told.size) throw changed(path);
      this.#complete(open.told);
      if (open.hash !== undefined)
        this.#digests.set(path, typeof open.hash === "string" ? open.hash : `sha256:${open.hash.digest("hex")}`);
    });
  }

  /** Makes the links, takes away what the client does not have, gives directories their modes. */
  finish(): void {
    for (const link of this.#links) this.#explained(link.path, () => this.#link(link));
    this.#removeOthers("");
    for (const file of [...this.#told.values()].toReversed())
      if (file.type === "dir") this.#explained(file.path, () => this.#complete(file));
    if (this.#digests.size > 0) this.#explained("", () => this.#vouch());
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
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
    if (known !== undefined) fs.unlinkSync(this.#at(file.path));
    this.#wanted.set(file.path, file);
    if (file.size > 0) return true;
    this.done(file.path);
    return false;
  }

  #opened(path: BytePath): OpenFile {
    const open = this.#open.get(path);
    if (open !== undefined) return open;
    const told = this.#wanted.get(path);
    if (told === undefined) throw new BuildError("INTERNAL", `"${displayPath(path)}" was not wanted`);
    const fd = fs.openSync(this.#at(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    const opened: OpenFile = { told, fd, written: 0, hash: undefined };
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

  /** Not before the links are made: they change when a file was changed last. */
  #vouch(): void {
    for (const [path, digest] of this.#digests) {
      const there = this.#lstat(path);
      if (there !== undefined) this.#known?.vouch(path, fingerprintOf(there), digest);
    }
    this.#known?.save();
  }

  #removeOthers(directory: BytePath): void {
    for (const name of fs.readdirSync(this.#at(directory), { encoding: "latin1" })) {
      const path = joinBytes(directory, name);
      const told = this.#told.get(path);
      const there = this.#lstat(path);
      if (there === undefined) continue;
      if (told === undefined) this.#clear(path, there);
      else if (there.isDirectory()) this.#removeOthers(path);
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
