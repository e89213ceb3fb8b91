// System calls that Node lacks. Paths are byte paths. Failures are errors like Node's own, with the errno's name in `code`.

import type { BytePath } from "../bytes/byte-path.ts";
import { attempt, check, cString, cText, errnoName, glibc, library, systemError } from "./libc.ts";

/** The value of an extended attribute of the file itself (links are not followed); undefined when it has none or the file system keeps none. */
export function lgetxattr(path: BytePath, name: string): Uint8Array | undefined {
  const { calls } = library();
  const [pathBytes, nameBytes] = [cString(path), cString(name)];
  for (;;) {
    const { result: read, code } = attempt(() => calls.lgetxattr(pathBytes, nameBytes, scratch, scratch.length));
    if (code === undefined) return new Uint8Array(scratch.subarray(0, read));
    if (code === "ENODATA" || code === "ENOTSUP" || code === "EOPNOTSUPP") return undefined;
    if (code !== "ERANGE" || scratch.length > MAX_XATTR) throw systemError("lgetxattr", code, path, name);
    scratch = Buffer.allocUnsafeSlow(scratch.length * 4);
  }
}

/** Names of the extended attributes of the file itself, sorted. */
export function llistxattr(path: BytePath): string[] {
  const { calls } = library();
  const pathBytes = cString(path);
  for (;;) {
    const { result: read, code } = attempt(() => calls.llistxattr(pathBytes, scratch, scratch.length));
    if (read === 0) return [];
    if (code === undefined)
      return scratch
        .toString("latin1", 0, read - 1)
        .split("\0")
        .sort();
    if (code === "ENOTSUP" || code === "EOPNOTSUPP") return [];
    if (code !== "ERANGE" || scratch.length > MAX_XATTR) throw systemError("llistxattr", code, path);
    scratch = Buffer.allocUnsafeSlow(scratch.length * 4);
  }
}

/** Sets an extended attribute of the file itself. */
export function lsetxattr(path: BytePath, name: string, value: Uint8Array): void {
  const { calls } = library();
  check(() => calls.lsetxattr(cString(path), cString(name), value, value.length, 0), "lsetxattr", path, name);
}

/** Sets the mtime of the file itself, exact to the nanosecond and also before 1970; the atime stays. */
export function setMtimeNs(path: BytePath, mtimeNs: bigint): void {
  const times = timesOf(mtimeNs);
  check(() => library().calls.utimensat(AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW), "utimensat", path);
}

/** The same for an open file, which costs no look-up of its path; `path` is for messages. */
export function setOpenMtimeNs(fd: number, mtimeNs: bigint, path: BytePath): void {
  const times = timesOf(mtimeNs);
  check(() => library().calls.futimens(fd, times), "futimens", path);
}

/** Two times as struct timespec: the atime, left out, and the mtime. */
function timesOf(mtimeNs: bigint): Buffer {
  const seconds = floorDiv(mtimeNs, 1_000_000_000n);
  timespecs[1] = UTIME_OMIT;
  timespecs[2] = seconds;
  timespecs[3] = mtimeNs - seconds * 1_000_000_000n;
  return timespecBytes;
}

const timespecs = new BigInt64Array(4);
const timespecBytes = Buffer.from(timespecs.buffer);

/** File type bits of `mknod`. */
export const S_IF = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/** Makes a device, a fifo or, as character device 0:0, an overlay whiteout. The umask applies. */
export function mknod(path: BytePath, typeAndMode: number, major = 0, minor = 0): void {
  const device = ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
  // By number: glibc has had the symbol only since 2.33.
  const call = process.arch === "arm64" ? 33 : 259;
  check(() => library().calls.mknodat(call, AT_FDCWD, cString(path), typeAndMode, device), "mknod", path);
}

/** The major and minor numbers in a `rdev` of `lstat`. */
export function deviceNumbers(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}

/** mount(2). `data` is limited to a page. */
export function mount(source: string, target: BytePath, type: string, flags: number, data: string): void {
  const { calls } = library();
  const arguments_ = [cText(source), cString(target), cText(type)] as const;
  check(() => calls.mount(...arguments_, flags, cText(data)), "mount", target);
}

/** umount2(2); a lazy one detaches now and frees when nobody uses it. */
export function umount(target: BytePath, options: { lazy?: boolean } = {}): void {
  check(() => library().calls.umount2(cString(target), options.lazy === true ? MNT_DETACH : 0), "umount2", target);
}

/** flock(2): "exclusive" and "shared" wait unless `wait` is false; false when another holds it then. Gone when the file is closed. */
export function flock(fd: number, kind: "exclusive" | "shared" | "unlock", options: { wait?: boolean } = {}): boolean {
  const operation = { shared: 1, exclusive: 2, unlock: 8 }[kind] | (options.wait === false ? 4 : 0);
  for (;;) {
    if (library().calls.flock(fd, operation) === 0) return true;
    const code = errnoName();
    if (code === "EWOULDBLOCK" || code === "EAGAIN") return false;
    if (code !== "EINTR") throw systemError("flock", code, `fd ${fd}`);
  }
}

/** The user id of who connected to a unix socket (unix(7), SO_PEERCRED), as this user namespace has it; undefined for other sockets. */
export function peerUid(fd: number): number | undefined {
  // struct ucred: pid, uid, gid
  const credentials = Buffer.alloc(12);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(credentials.length);
  if (library().calls.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, size) !== 0) return undefined;
  const [pid, uid] = [credentials.readInt32LE(0), credentials.readUInt32LE(4)];
  // What is no unix socket has nobody: 0 and -1.
  return pid === 0 && uid === 0xffffffff ? undefined : uid;
}

/** Sends a datagram to a unix socket (unix(7)): a path, or "@" and an abstract name. */
export function sendDatagram(address: string, text: string): void {
  const { calls } = library();
  const bytes = Buffer.from(text);
  const name = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : address);
  // struct sockaddr_un: the family, then the name.
  const to = Buffer.alloc(2 + name.length);
  to.writeUInt16LE(AF_UNIX, 0);
  name.copy(to, 2);
  const fd = check(() => calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", address);
  try {
    check(() => calls.sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, to, to.length), "sendto", address);
  } finally {
    calls.close(fd);
  }
}

/** Lets a file that Node would close when this process becomes another program stay open (dup(2) clears close-on-exec). */
export function keepOpenOnExec(fd: number): void {
  const { calls } = library();
  const copy = calls.dup(fd);
  if (copy < 0) throw systemError("dup", errnoName(), `fd ${fd}`);
  const result = calls.dup2(copy, fd);
  const code = result < 0 ? errnoName() : undefined;
  calls.close(copy);
  if (code !== undefined) throw systemError("dup2", code, `fd ${fd}`);
}

/** A folder whose files are watched (inotify(7)). */
export interface OpenedFiles extends Disposable {
  /** Names of files in it that somebody opened since the watch began or this was asked. */
  names(): readonly string[];
}

/** Watches a folder for files of it that are opened; undefined where this user has as many watches as may be. */
export function watchOpened(directory: BytePath): OpenedFiles | undefined {
  const { calls } = library();
  const fd = calls.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return undefined;
  if (calls.inotify_add_watch(fd, cString(directory), IN_OPEN) < 0) {
    calls.close(fd);
    return undefined;
  }
  return {
    names() {
      const found: string[] = [];
      const events = Buffer.alloc(EVENTS_BYTES);
      for (;;) {
        const { result: size, code } = attempt(() => calls.read(fd, events, events.length));
        if (code !== undefined || size === 0) return found;
        for (let at = 0; at < size;) {
          const [mask, length] = [events.readUInt32LE(at + 4), events.readUInt32LE(at + 12)];
          const name = events.toString("latin1", at + EVENT_HEAD, at + EVENT_HEAD + length).replace(/\0+$/, "");
          if ((mask & IN_ISDIR) === 0 && name !== "") found.push(name);
          at += EVENT_HEAD + length;
        }
      }
    },
    [Symbol.dispose]: () => void calls.close(fd),
  };
}

/** Whether processes whose parents end become children of this one (prctl(2), PR_SET_CHILD_SUBREAPER). */
export function setSubreaper(isOn: boolean): void {
  library().calls.prctl(PR_SET_CHILD_SUBREAPER, isOn ? 1 : 0, 0, 0, 0);
}

/** The next byte at or after `offset` that is data ("data") or a hole ("hole"); undefined past the end or when the file system cannot say. */
export function seek(fd: number, offset: number, to: "data" | "hole"): number | undefined {
  const found = library().calls.lseek(fd, offset, to === "data" ? 3 : 4);
  return found < 0 ? undefined : found;
}

/**
 * Lets threads that begin from now on share the heap of those there are. glibc gives each of them one of its own and
 * keeps what was freed in it: with a few workers that is more than they use. Another C library stays as it is.
 */
export function shareHeap(): void {
  glibc("mallopt", ["int", "int"], [M_ARENA_MAX, 1]);
}

/** Gives memory that is free in the heap back to the system, which glibc does only for what lies at its end. */
export function trimHeap(): void {
  glibc("malloc_trim", ["ulong"], [0]);
}

/**
 * Lets what is written to a terminal reach it as it is, until it is disposed of: Node's raw mode still puts a carriage return
 * before each line feed (libuv, uv_tty_set_mode), and programs that move the cursor by line feeds would see it jump.
 */
export function rawOutput(fd: number): Disposable {
  const { calls } = library();
  const attributes = Buffer.alloc(TERMIOS_BYTES);
  if (calls.tcgetattr(fd, attributes) !== 0) return { [Symbol.dispose]: () => undefined };
  const setAttributes = (flags: number): void => {
    attributes.writeUInt32LE(flags, OUTPUT_FLAGS_AT);
    calls.tcsetattr(fd, 0, attributes);
  };
  const before = attributes.readUInt32LE(OUTPUT_FLAGS_AT);
  setAttributes((before & ~OPOST) >>> 0);
  return { [Symbol.dispose]: () => setAttributes(before) };
}

/** More than any C library's struct termios; its second word is c_oflag (termios(3)). */
const TERMIOS_BYTES = 256;
const OUTPUT_FLAGS_AT = 4;
const OPOST = 1;

const IN_OPEN = 0x20;
const IN_ISDIR = 0x4000_0000;
const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
/** struct inotify_event without its name. */
const EVENT_HEAD = 16;
const EVENTS_BYTES = 16 << 10;
const M_ARENA_MAX = -8;
const SOL_SOCKET = 1;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const SO_PEERCRED = 17;
const PR_SET_CHILD_SUBREAPER = 36;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = (1n << 30n) - 2n;
const MNT_DETACH = 2;
const MAX_XATTR = 1 << 20;

let scratch = Buffer.allocUnsafeSlow(4096);
function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n ? quotient - 1n : quotient;
}
