// The C library through koffi: the only file that knows it. It loads on the first call (9 ms, 8 MB), so that a program
// which needs none does not pay. Failures are errors like Node's own, with the errno's name in `code`.

import { createRequire } from "node:module";
import { getSystemErrorMap } from "node:util";
import type * as Koffi from "koffi";
import type { BytePath } from "../bytes/byte-path.ts";
import { displayPath } from "../bytes/byte-path.ts";

type Bytes = Uint8Array;

interface Calls {
  lgetxattr(path: Bytes, name: Bytes, value: Bytes, size: number): number;
  llistxattr(path: Bytes, list: Bytes, size: number): number;
  lsetxattr(path: Bytes, name: Bytes, value: Bytes, size: number, flags: number): number;
  utimensat(directory: number, path: Bytes, times: Bytes, flags: number): number;
  futimens(fd: number, times: Bytes): number;
  mknodat(call: number, directory: number, path: Bytes, mode: number, device: number): number;
  mount(source: Bytes, target: Bytes, type: Bytes, flags: number, data: Bytes): number;
  umount2(target: Bytes, flags: number): number;
  flock(fd: number, operation: number): number;
  dup(fd: number): number;
  dup2(from: number, to: number): number;
  close(fd: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  tcgetattr(fd: number, attributes: Bytes): number;
  tcsetattr(fd: number, when: number, attributes: Bytes): number;
  inotify_init1(flags: number): number;
  inotify_add_watch(fd: number, path: Bytes, mask: number): number;
  read(fd: number, bytes: Bytes, size: number): number;
  socket(domain: number, type: number, protocol: number): number;
  sendto(fd: number, bytes: Bytes, size: number, flags: number, address: Bytes, addressSize: number): number;
  getsockopt(fd: number, level: number, name: number, value: Bytes, size: Bytes): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
}

let errors: ReturnType<typeof getSystemErrorMap> | undefined;
let loaded: Library | undefined;

interface Library {
  readonly koffi: typeof Koffi;
  readonly libc: Koffi.LibraryHandle;
  readonly calls: Calls;
  /** Calls that not every C library has. */
  readonly extras: Map<string, ((...values: readonly number[]) => unknown) | undefined>;
}

/** The library, loaded. */
export function library(): Library {
  if (loaded !== undefined) return loaded;
  // createRequire, because an import() would make every caller asynchronous.
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const libc = koffi.load(null);
  const p = "const void *";
  const calls: Calls = {
    lgetxattr: libc.func("lgetxattr", "long", [p, p, "void *", "ulong"]),
    llistxattr: libc.func("llistxattr", "long", [p, "void *", "ulong"]),
    lsetxattr: libc.func("lsetxattr", "int", [p, p, p, "ulong", "int"]),
    utimensat: libc.func("utimensat", "int", ["int", p, p, "int"]),
    futimens: libc.func("futimens", "int", ["int", p]),
    mknodat: libc.func("syscall", "long", ["long", "int", p, "uint", "uint"]),
    mount: libc.func("mount", "int", [p, p, p, "ulong", p]),
    umount2: libc.func("umount2", "int", [p, "int"]),
    flock: libc.func("flock", "int", ["int", "int"]),
    dup: libc.func("dup", "int", ["int"]),
    dup2: libc.func("dup2", "int", ["int", "int"]),
    close: libc.func("close", "int", ["int"]),
    lseek: libc.func("lseek", "long", ["int", "long", "int"]),
    tcgetattr: libc.func("tcgetattr", "int", ["int", "void *"]),
    tcsetattr: libc.func("tcsetattr", "int", ["int", "int", p]),
    inotify_init1: libc.func("inotify_init1", "int", ["int"]),
    inotify_add_watch: libc.func("inotify_add_watch", "int", ["int", p, "uint"]),
    read: libc.func("read", "long", ["int", "void *", "ulong"]),
    socket: libc.func("socket", "int", ["int", "int", "int"]),
    sendto: libc.func("sendto", "long", ["int", p, "ulong", "int", p, "uint"]),
    getsockopt: libc.func("getsockopt", "int", ["int", "int", "int", "void *", "void *"]),
    prctl: libc.func("prctl", "int", ["int", "ulong", "ulong", "ulong", "ulong"]),
  };
  loaded = { koffi, libc, calls, extras: new Map() };
  return loaded;
}

/** A path as the library takes it. */
export function cString(path: BytePath): Buffer {
  return Buffer.from(`${path}\0`, "latin1");
}

export function cText(text: string): Buffer {
  return Buffer.from(`${text}\0`, "utf8");
}

/** Makes a call; throws when it fails. */
export function check(call: () => number, name: string, path: BytePath, detail?: string): number {
  const { result, code } = attempt(call);
  if (code !== undefined) throw systemError(name, code, path, detail);
  return result;
}

/**
 * Makes a call. Between one that fails and the look at errno the engine may make calls of its own on this thread (its
 * garbage collector waits on locks), and errno is theirs: a failure that only they can have is asked for again.
 */
export function attempt(call: () => number): { readonly result: number; readonly code?: string } {
  for (let tries = 0; ; tries++) {
    const result = call();
    if (result >= 0) return { result };
    const code = errnoName();
    if (tries === MOST_TRIES || !FOREIGN.has(code)) return { result, code };
  }
}

const FOREIGN: ReadonlySet<string> = new Set(["EAGAIN", "EINTR", "ENOMEM", "ETIMEDOUT", "E0"]);
const MOST_TRIES = 100;

/** Of the last call. */
export function errnoName(): string {
  const number = library().koffi.errno();
  return errorMap().get(-number)?.[0] ?? `E${number}`;
}

/** Node makes this map anew on every call; what it has no use for (errno(3)) is added. */
function errorMap(): ReturnType<typeof getSystemErrorMap> {
  return (errors ??= new Map([...getSystemErrorMap(), [-37, ["ENOLCK", "no locks available"]]]));
}

/** The error that Node would throw for a call of its own. */
export function systemError(call: string, code: string, path: BytePath, detail?: string): Error {
  const why = [...errorMap().values()].find(([name]) => name === code)?.[1] ?? "unknown error";
  const what = detail === undefined ? "" : ` (${detail})`;
  const error = new Error(`${code}: ${why}, ${call} '${displayPath(path)}'${what}`);
  return Object.assign(error, { code, syscall: call, path: displayPath(path) });
}

/** Makes a call that only glibc has; elsewhere nothing happens. */
export function glibc(name: string, types: readonly string[], values: readonly number[]): void {
  const { libc, extras } = library();
  if (!extras.has(name)) extras.set(name, findExtra(libc, name, types));
  extras.get(name)?.(...values);
}

function findExtra(
  libc: Koffi.LibraryHandle,
  name: string,
  types: readonly string[],
): ((...values: readonly number[]) => unknown) | undefined {
  try {
    return libc.func(name, "int", [...types]);
  } catch {
    return undefined; // no glibc
  }
}
