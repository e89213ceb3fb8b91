// A directory in overlay form, as overlayfs takes it for a lower directory: a tree of
// files with their owners, modes and times; a deleted path is a character device 0:0;
// a directory that hides what is below it has the attribute <namespace>.overlay.opaque.
//
// It only ever touches paths whose every directory it has made itself, or another one of
// it before, so no link can lead it out. Directories are closed to others, and writable, until `finish`.

import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import { bytePath, displayPath, fsPath, joinBytes } from "../../core/bytes/byte-path.ts";
import { BuildError, isErrno } from "../../core/errors.ts";
import { lsetxattr, mknod, S_IF, setMtimeNs, setOpenMtimeNs } from "../../core/system/syscall.ts";
import type { Entry } from "../entry.ts";
import { removeTree } from "../../core/system/remove-tree.ts";

/** What an entry looks like besides its content. */
export type Attributes = Pick<Entry, "mode" | "uid" | "gid" | "mtimeNs" | "xattrs">;

/** Directories that a tar does not list. */
export const IMPLIED_DIRECTORY: Attributes = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n };

/** Attributes by which overlayfs and its kin talk to themselves; never in a layer. */
export function isOverlayXattr(name: string): boolean {
  return /^(?:trusted|user)\.(?:overlay|fuseoverlayfs)\./.test(name);
}

/** Writes one directory in overlay form. Paths are relative byte paths; the parents of each must have been made before. */
export class OverlayTree {
  readonly #root: BytePath;
  readonly #opaqueName: string;
  readonly #umask = readUmask();
  /** Devices that could not be made, and their other names. */
  readonly #notMade = new Set<BytePath>();
  readonly #self: { uid: number; gid: number };

  /** Creates the directory, or takes an empty one. */
  constructor(directory: string, namespace: "trusted" | "user") {
    this.#root = bytePath(directory);
    this.#opaqueName = `${namespace}.overlay.opaque`;
    mkdirSync(fsPath(this.#root), { recursive: true, mode: 0o755 });
    chmodSync(fsPath(this.#root), 0o755);
    // Below a setgid directory, new files would get its group: whose they are is asked, not assumed.
    const { uid, gid, mode } = lstatSync(fsPath(this.#root));
    const isPlain = uid === process.geteuid?.() && gid === process.getegid?.() && (mode & 0o2000) === 0;
    this.#self = isPlain ? { uid, gid } : { uid: -1, gid: -1 };
  }

  /** The absolute path of an entry. */
  pathOf(path: BytePath): BytePath {
    return joinBytes(this.#root, path);
  }

  makeDirectory(path: BytePath): void {
    mkdirSync(fsPath(this.pathOf(path)), 0o700);
  }

  /** Opens a new file for writing. */
  openFile(path: BytePath, mode: number): number {
    return openSync(fsPath(this.pathOf(path)), "wx", mode & 0o777);
  }

  /** Gives an open new file its attributes and closes it. */
  closeFile(fd: number, path: BytePath, entry: Attributes): void {
    try {
      const { mode, mtimeNs } = entry;
      if (this.#mustChown(entry)) this.#owned(path, entry, () => fchownSync(fd, entry.uid, entry.gid));
      if ((mode & ~this.#umask & 0o777) !== mode) fchmodSync(fd, mode);
      if (entry.xattrs !== undefined) this.#setXattrs(path, entry.xattrs);
      const seconds = wholeSeconds(mtimeNs);
      if (seconds === undefined) setOpenMtimeNs(fd, mtimeNs, this.pathOf(path));
      else futimesSync(fd, seconds, seconds);
    } finally {
      closeSync(fd);
    }
  }

  makeSymlink(path: BytePath, target: BytePath, entry: Attributes): void {
    symlinkSync(fsPath(target), fsPath(this.pathOf(path)));
    this.#chown(path, entry);
    if (entry.xattrs !== undefined) this.#setXattrs(path, entry.xattrs);
    setTime(this.pathOf(path), entry.mtimeNs);
  }

  makeHardLink(path: BytePath, target: BytePath): void {
    if (this.#notMade.has(target)) {
      this.#notMade.add(path);
      return;
    }
    linkSync(fsPath(this.pathOf(target)), fsPath(this.pathOf(path)));
  }

  /** Makes a second name of a file outside the tree. */
  linkFrom(source: BytePath, path: BytePath): void {
    linkSync(fsPath(source), fsPath(this.pathOf(path)));
  }

  /** Makes a device or fifo. Where this process may not make devices, as in a user namespace, the entry lives in the index alone. */
  makeSpecial(path: BytePath, entry: Entry): void {
    const type = entry.type === "char" ? S_IF.char : entry.type === "block" ? S_IF.block : S_IF.fifo;
    try {
      mknod(this.pathOf(path), type | (entry.mode & 0o777), entry.major ?? 0, entry.minor ?? 0);
    } catch (error) {
      if (entry.type === "fifo" || !isErrno(error, "EPERM", "EACCES")) throw error;
      this.#notMade.add(path);
    }
    this.setAttributes(path, entry);
  }

  makeWhiteout(path: BytePath): void {
    try {
      mknod(this.pathOf(path), S_IF.char, 0, 0);
    } catch (error) {
      if (!isErrno(error, "EPERM", "EACCES")) throw error;
      throw new BuildError(
        "SANDBOX",
        `deleted files cannot be marked here: ${error instanceof Error ? error.message : ""}`,
        {
          cause: error,
          hint: "marks are device nodes 0:0, which need Linux 5.8 and a user namespace, or root",
        },
      );
    }
  }

  makeOpaque(path: BytePath): void {
    lsetxattr(this.pathOf(path), this.#opaqueName, Uint8Array.of(0x79)); // "y"
  }

  /** Owner, mode, attributes and time of something that is no link; in this order, because chown clears setuid and capabilities. */
  setAttributes(path: BytePath, entry: Attributes): void {
    if (this.#notMade.has(path)) return;
    this.#chown(path, entry);
    const absolute = this.pathOf(path);
    chmodSync(fsPath(absolute), entry.mode);
    if (entry.xattrs !== undefined) this.#setXattrs(path, entry.xattrs);
    setTime(absolute, entry.mtimeNs);
  }

  /** Removes a path and, if it is a directory, all in it. */
  remove(path: BytePath, isDirectory: boolean): void {
    const absolute = this.pathOf(path);
    this.#notMade.delete(path);
    if (isDirectory) removeTree(absolute);
    else rmSync(fsPath(absolute), { force: true }); // a device that could not be made is not there
  }

  /** Removes the whole directory after a failure. */
  abandon(): void {
    removeTree(this.#root);
  }

  #mustChown(entry: Attributes): boolean {
    return entry.uid !== this.#self.uid || entry.gid !== this.#self.gid;
  }

  #chown(path: BytePath, entry: Attributes): void {
    if (!this.#mustChown(entry)) return;
    this.#owned(path, entry, () => lchownSync(fsPath(this.pathOf(path)), entry.uid, entry.gid));
  }

  #owned(path: BytePath, entry: Attributes, change: () => void): void {
    try {
      change();
    } catch (error) {
      if (!isErrno(error, "EINVAL", "EPERM")) throw error;
      const owner = `${entry.uid}:${entry.gid}`;
      throw new BuildError(
        "SANDBOX",
        `"/${displayPath(path)}" belongs to ${owner}, and this process cannot give files to these ids`,
        {
          cause: error,
          hint: isErrno(error, "EINVAL")
            ? "give your user a range that holds them in /etc/subuid and /etc/subgid, or run as root"
            : "run as root, or where user namespaces are permitted",
        },
      );
    }
  }

  #setXattrs(path: BytePath, xattrs: Readonly<Record<string, Uint8Array>>): void {
    for (const [name, value] of Object.entries(xattrs)) {
      if (name.startsWith("trusted.") || isOverlayXattr(name)) continue;
      try {
        lsetxattr(this.pathOf(path), name, value);
      } catch (error) {
        // As containerd: what this file system or namespace cannot hold is left out, but a capability never is in silence.
        const isNoPlace = isErrno(error, "ENOTSUP", "EOPNOTSUPP");
        if (!isNoPlace && (name === "security.capability" || !isErrno(error, "EPERM", "EACCES", "EINVAL"))) throw error;
      }
    }
  }
}

function setTime(path: BytePath, mtimeNs: bigint): void {
  const seconds = wholeSeconds(mtimeNs);
  if (seconds === undefined) setMtimeNs(path, mtimeNs);
  else lutimesSync(fsPath(path), seconds, seconds);
}

/** The time in seconds where Node's own call is exact; it is not for fractions and turns times before 1970 into now. */
function wholeSeconds(ns: bigint): number | undefined {
  if (ns < 0n || ns >= 4_000_000_000_000_000_000n || ns % 1_000_000_000n !== 0n) return undefined;
  return Number(ns / 1_000_000_000n);
}

/** From /proc, since asking by system call would change it for a moment for all threads. */
function readUmask(): number {
  const match = /^Umask:\s*([0-7]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return match === null ? 0o777 : Number.parseInt(match[1] ?? "777", 8);
}
