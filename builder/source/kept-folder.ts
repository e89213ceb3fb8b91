// A client's folder as it is kept here from build to build. The files themselves say what is known: what has the size,
// time, mode and target that the client tells of is not asked for again, what the client has no longer goes. Nothing is
// written through what is there: neither a symlink nor another name of a file. Digests are made of the bytes as they come,
// so that a build need not read them again.

import * as fs from "node:fs";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { bytePath, displayPath, fsPath, joinBytes, parentOf } from "../core/bytes/byte-path.ts";
import type { ClientFile, FileReceiver } from "../core/client-file.ts";
import type { Digest } from "../core/digest.ts";
import { asBuildError, BuildError, isErrno } from "../core/errors.ts";
import type { StoreSpace } from "../core/space.ts";
import { fileOnDisk } from "../core/space.ts";
import { mknod, S_IF, setMtimeNs } from "../core/system/syscall.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import type { FileLook } from "./file-stat.ts";
import { lookOf } from "./file-stat.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { ReceivedFile } from "./received-file.ts";
import { RoomAhead } from "./room-ahead.ts";
import type { TreeScan } from "./tree-scan.ts";
import { scanTree } from "./tree-scan.ts";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = fs.constants;
const KINDS: Readonly<Record<ClientFile["type"], number>> = {
  ...{ ...S_IF, file: S_IFREG, hardlink: S_IFREG, dir: S_IFDIR, symlink: S_IFLNK },
};

/** What is there of a path, before anything happened to it, and its record in the scan. */
interface There extends FileLook {
  readonly record: number | undefined;
}

/** A file whose bytes are wanted. */
interface WantedFile {
  readonly told: ClientFile;
  /** What is written over. */
  readonly there: There | undefined;
  /** Once the first bytes have come. */
  open?: ReceivedFile;
}

/** Keeps digests of files that nobody else changes. */
export interface KnownDigests {
  vouch(path: BytePath, fingerprint: Fingerprint, digest: Digest): void;
  save(): void;
}

/** What has been brought. */
export interface BroughtFiles {
  /** What they take of the disk, about. */
  readonly bytes: number;
  /** What the folder is now; undefined where it would have to be looked at again. */
  readonly scan: TreeScan | undefined;
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
  readonly #told = new Map<BytePath, ClientFile["type"]>();
  readonly #directories: ClientFile[] = [];
  readonly #wanted = new Map<BytePath, WantedFile>();
  readonly #links: ClientFile[] = [];
  readonly #digests = new Map<BytePath, { readonly digest: Digest; readonly fingerprint: Fingerprint }>();
  /** Directories that were not there: nothing is in them but what was told of. */
  readonly #fresh = new Set<BytePath>();
  /** What was there, and is kept true until names come or go; undefined where it could not be looked at. */
  readonly #scan: TreeScan | undefined;
  #hasOtherNames = false;
  /** Of its names, how many were told of. */
  #met = 0;
  readonly #room: RoomAhead;
  #bytes = 0;
  #diskBytes = 0;

  /** `root` is there already. */
  constructor(root: string, world: KeptFolderWorld) {
    this.#root = bytePath(root);
    this.#world = world;
    this.#room = new RoomAhead(world.space);
    // In one go, and for whoever reads the folder when all has come as well: asking for each file takes as long as the rest.
    this.#scan = scanTree(this.#root, "", () => false);
    if (this.#scan?.count === 0) this.#fresh.add("");
  }

  entry(file: ClientFile): boolean {
    return this.#explained(file.path, () => {
      this.#told.set(file.path, file.type);
      this.#diskBytes += fileOnDisk(file.size);
      const there = this.#fresh.has(parentOf(file.path)) ? undefined : this.#look(file.path);
      if (there?.record !== undefined) this.#met++;
      const known = there !== undefined && (there.mode & S_IFMT) === KINDS[file.type] ? there : undefined;
      if (there !== undefined && known === undefined) this.#clear(file.path, there);
      if (known === undefined) this.#hasOtherNames = true;
      switch (file.type) {
        case "dir":
          this.#directory(file, known);
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
          this.#hasOtherNames = true;
          return false;
      }
    });
  }

  room(): Promise<void> {
    return this.#room.reserve();
  }

  data(path: BytePath, bytes: Uint8Array): void {
    this.#explained(path, () => {
      this.#opened(path).write(bytes);
      this.#bytes += bytes.length;
      this.#world.progress(this.#bytes);
    });
  }

  done(path: BytePath): void {
    this.#explained(path, () => {
      const { there } = this.#wanted.get(path) ?? {};
      using open = this.#opened(path);
      this.#wanted.delete(path);
      const { stat, digest } = open.finish();
      if (there?.record !== undefined) this.#scan?.changeFile(there.record, stat);
      if (digest !== undefined) this.#digests.set(path, { digest, fingerprint: fingerprintOf(stat) });
    });
  }

  /** Makes the links, takes away what the client does not have, gives directories their modes. */
  finish(): BroughtFiles {
    for (const link of this.#links) this.#explained(link.path, () => this.#link(link));
    if (this.#scan === undefined || this.#met < this.#scan.count) this.#removeOthers("");
    for (const file of this.#directories.toReversed()) this.#explained(file.path, () => this.#completeDirectory(file));
    if (this.#digests.size > 0) this.#explained("", () => this.#vouch());
    return { bytes: this.#diskBytes, scan: this.#hasOtherNames ? undefined : this.#scan };
  }

  [Symbol.dispose](): void {
    for (const { open } of this.#wanted.values()) open?.[Symbol.dispose]();
    this.#wanted.clear();
    this.#room[Symbol.dispose]();
  }

  #directory(file: ClientFile, known: There | undefined): void {
    this.#directories.push(file);
    if (known === undefined) {
      fs.mkdirSync(this.#at(file.path), 0o700);
      this.#fresh.add(file.path);
    }
    // What is written into it must be possible; its own mode comes at the end.
    else if ((known.mode & 0o700) !== 0o700) fs.chmodSync(this.#at(file.path), 0o700);
  }

  #symlink({ path, link = "", mtimeNs }: ClientFile, known: There | undefined): void {
    if (known !== undefined && known.mtimeNs === mtimeNs && readLink(this.#at(path)) === link) return;
    this.#hasOtherNames = true;
    if (known !== undefined) fs.unlinkSync(this.#at(path));
    fs.symlinkSync(fsPath(link), this.#at(path));
    setMtimeNs(this.#onDisk(path), mtimeNs);
  }

  #file(file: ClientFile, known: There | undefined): boolean {
    const isSame =
      known !== undefined &&
      known.size === file.size &&
      known.mtimeNs === file.mtimeNs &&
      (known.mode & 0o7777) === file.mode;
    if (isSame) return false;
    // What has one name is nobody else's: it is written over, for half of what another file in its place would cost.
    const there = known !== undefined && known.links === 1 && (known.mode & 0o200) !== 0 ? known : undefined;
    if (known !== undefined && there === undefined) {
      fs.unlinkSync(this.#at(file.path));
      this.#hasOtherNames = true;
    }
    this.#wanted.set(file.path, { told: file, there });
    this.#room.want(fileOnDisk(file.size));
    if (file.size > 0) return true;
    this.done(file.path);
    return false;
  }

  #opened(path: BytePath): ReceivedFile {
    const wanted = this.#wanted.get(path);
    if (wanted === undefined) throw new BuildError("INTERNAL", `"${displayPath(path)}" was not wanted`);
    const { told, there } = wanted;
    const isHashed = this.#world.known !== undefined;
    return (wanted.open ??= new ReceivedFile(this.#onDisk(path), told, { overBytes: there?.size, isHashed }));
  }

  #link({ path, link = "" }: ClientFile): void {
    const [target, there] = [this.#lstat(link), this.#lstat(path)];
    if (target !== undefined && target.ino === there?.ino) return;
    this.#hasOtherNames = true;
    if (there !== undefined) this.#clear(path, lookOf(there));
    fs.linkSync(this.#at(link), this.#at(path));
  }

  #complete({ path, mode, mtimeNs }: ClientFile): void {
    fs.chmodSync(this.#at(path), mode);
    setMtimeNs(this.#onDisk(path), mtimeNs);
  }

  #completeDirectory(file: ClientFile): void {
    const { path, mode, mtimeNs } = file;
    const record = this.#hasOtherNames ? undefined : this.#scan?.find(path);
    const isSame = record !== undefined && ((this.#scan?.look(record).mode ?? 0) & 0o7777) === mode;
    // It had to be writable meanwhile.
    if (isSame && (mode & 0o700) === 0o700 && this.#scan?.directory(path)?.mtimeNs === mtimeNs) return;
    this.#complete(file);
    this.#scan?.changeDirectory(path, mode, mtimeNs);
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
      if (told === "dir") this.#removeOthers(path);
      if (told !== undefined) continue;
      const there = this.#lstat(path);
      if (there === undefined) continue;
      this.#hasOtherNames = true;
      this.#clear(path, lookOf(there));
    }
  }

  #clear(path: BytePath, { mode }: FileLook): void {
    if ((mode & S_IFMT) === S_IFDIR) removeTree(this.#onDisk(path));
    else fs.unlinkSync(this.#at(path));
  }

  #look(path: BytePath): There | undefined {
    if (this.#scan !== undefined) {
      const record = this.#scan.find(path);
      return record === undefined ? undefined : { ...this.#scan.look(record), record };
    }
    const there = this.#lstat(path);
    return there === undefined ? undefined : { ...lookOf(there), record: undefined };
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

function readLink(path: string | Buffer): BytePath {
  return fs.readlinkSync(path, { encoding: "latin1" });
}
