// The spec that the launcher (spec.c, step.c) reads: records of an opcode and its fields, in the machine's
// byte order. The numbers here and those of launcher.h are the same.

import { endianness } from "node:os";
import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { OverlayStack } from "../executor.ts";

const OP = {
  flags: 1,
  hostname: 2,
  stub: 3,
  rootBind: 4,
  rootOverlay: 5,
  bind: 6,
  overlay: 7,
  fs: 8,
  device: 9,
  symlink: 10,
  mask: 11,
  readonly: 12,
  rootReadonly: 13,
  cwd: 14,
  user: 15,
  caps: 16,
  seccomp: 17,
  rlimit: 18,
  env: 19,
  args: 20,
  cgroup: 21,
  rootDirectory: 22,
  watch: 23,
  merged: 24,
} as const;

/** Namespaces of a step (linux/sched.h). */
export const NAMESPACE = {
  mount: 0x0002_0000,
  cgroup: 0x0200_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  pid: 0x2000_0000,
  network: 0x4000_0000,
} as const;

export const STEP_FLAG = { loopback: 1, terminal: 2, noNewPrivileges: 4, pipes: 8 } as const;

export const WATCH_FLAG = { noNetwork: 1, showChroot: 2 } as const;

/** What lies in a root where a mount would be, by its real path there. */
export interface WatchedPlace {
  readonly path: string;
  readonly readonly: boolean;
  /** 0 where nobody said. */
  readonly sizeBytes: number;
}

/** How a mount record treats failure: optional ones may fail, an "else" runs only when the one before failed. `keep`: a mount point made for it stays. */
export const MOUNT_FLAG = { optional: 1, otherwise: 2, keep: 4 } as const;

/** mount(2) flags. */
export const MS = { rdonly: 1, nosuid: 2, nodev: 4, noexec: 8, strictatime: 0x0100_0000 } as const;

/** mount_setattr(2) attributes. */
export const ATTR = { rdonly: 1, nosuid: 2, nodev: 4, noexec: 8 } as const;

/** Collects records; methods are named after the opcodes, whose fields launcher.h explains. */
export class SpecWriter {
  readonly #parts: Buffer[] = [];

  flags(namespaces: number, flags: number): void {
    this.#numbers(OP.flags, namespaces, flags);
  }

  hostname(name: string): void {
    this.#numbers(OP.hostname);
    this.#string(name);
  }

  stub(directory: string, path: string, isFile: boolean): void {
    this.#numbers(OP.stub);
    this.#string(directory);
    this.#string(path);
    this.#numbers(isFile ? 1 : 0);
  }

  rootBind(source: string, mountPoint: string): void {
    this.#numbers(OP.rootBind);
    this.#string(source);
    this.#string(mountPoint);
  }

  rootOverlay(stack: OverlayStack, options: string, mountPoint: string): void {
    this.#numbers(OP.rootOverlay);
    this.#stack(stack, options);
    this.#string(mountPoint);
  }

  rootDirectory(directory: string): void {
    this.#numbers(OP.rootDirectory);
    this.#string(directory);
  }

  bind(source: string, target: string, attributes: number, flags = 0): void {
    this.#numbers(OP.bind);
    this.#string(source);
    this.#string(target);
    this.#long(attributes);
    this.#numbers(flags);
  }

  overlay(
    stack: OverlayStack,
    options: string,
    staging: string,
    subPath: string,
    target: string,
    attributes: number,
  ): void {
    this.#numbers(OP.overlay);
    this.#stack(stack, options);
    this.#string(staging);
    this.#string(subPath);
    this.#string(target);
    this.#long(attributes);
    this.#numbers(0);
  }

  fs(type: string, source: string, target: string, ms: number, data: string, flags = 0): void {
    this.#numbers(OP.fs);
    this.#string(type);
    this.#string(source);
    this.#string(target);
    this.#numbers(ms);
    this.#string(data);
    this.#numbers(flags);
  }

  device(name: string, major: number, minor: number): void {
    this.#numbers(OP.device);
    this.#string(name);
    this.#numbers(major, minor);
  }

  symlink(text: string, path: string): void {
    this.#numbers(OP.symlink);
    this.#string(text);
    this.#string(path);
  }

  mask(path: string): void {
    this.#numbers(OP.mask);
    this.#string(path);
  }

  readonly(path: string): void {
    this.#numbers(OP.readonly);
    this.#string(path);
  }

  rootReadonly(): void {
    this.#numbers(OP.rootReadonly);
  }

  cwd(path: string): void {
    this.#numbers(OP.cwd);
    this.#string(path);
  }

  user(uid: number, gid: number, groups: readonly number[]): void {
    this.#numbers(OP.user, uid, gid, groups.length, ...groups);
  }

  caps(bounding: bigint, ambient: boolean): void {
    this.#numbers(OP.caps);
    this.#long(bounding);
    this.#numbers(ambient ? 1 : 0);
  }

  seccomp(program: Uint8Array): void {
    this.#numbers(OP.seccomp);
    this.#bytes(program);
  }

  rlimit(name: string, resource: number, soft: bigint, hard: bigint): void {
    this.#numbers(OP.rlimit);
    this.#string(name);
    this.#numbers(resource);
    this.#long(soft);
    this.#long(hard);
  }

  env(list: readonly string[]): void {
    this.#numbers(OP.env, list.length);
    for (const entry of list) this.#string(entry);
  }

  args(list: readonly string[]): void {
    this.#numbers(OP.args, list.length);
    for (const entry of list) this.#string(entry);
  }

  watch(hostname: string, mounts: string, flags: number, places: readonly WatchedPlace[]): void {
    this.#numbers(OP.watch);
    this.#string(hostname);
    this.#string(mounts);
    this.#numbers(flags, places.length);
    for (const { path, readonly, sizeBytes } of places) {
      this.#string(path);
      this.#numbers(readonly ? 1 : 0);
      this.#long(sizeBytes);
    }
  }

  merged(directories: readonly BytePath[]): void {
    this.#numbers(OP.merged, directories.length);
    for (const path of directories) this.#bytes(Buffer.from(path, "latin1"));
  }

  cgroup(directory: string): void {
    this.#numbers(OP.cgroup);
    this.#string(directory);
  }

  /** The whole spec with its length before. */
  finish(): Buffer {
    const records = Buffer.concat(this.#parts);
    return Buffer.concat([u32(records.length), records]);
  }

  #stack(stack: OverlayStack, options: string): void {
    this.#string(options);
    this.#numbers(stack.lowers.length);
    for (const lower of stack.lowers) this.#string(lower);
    this.#string(stack.upper ?? "");
    this.#string(stack.work ?? "");
  }

  #numbers(...values: number[]): void {
    for (const value of values) this.#parts.push(u32(value));
  }

  #long(value: bigint | number): void {
    const bytes = Buffer.alloc(8);
    if (BIG_ENDIAN) bytes.writeBigUInt64BE(BigInt(value));
    else bytes.writeBigUInt64LE(BigInt(value));
    this.#parts.push(bytes);
  }

  #string(text: string): void {
    this.#bytes(Buffer.from(text, "utf8"));
  }

  #bytes(bytes: Uint8Array): void {
    this.#parts.push(u32(bytes.length), Buffer.from(bytes), NUL);
  }
}

const BIG_ENDIAN = endianness() === "BE";
const NUL = Buffer.alloc(1);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  if (BIG_ENDIAN) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
}

/** What the launcher says: set-up failed, the program cannot be started, it may not go on, or how it ended (wait status). */
export interface Report {
  readonly kind: "setup" | "program" | "refused" | "exit";
  /** errno, the wait status for "exit"; 1 for "refused" where it may run without a supervisor that answers. */
  readonly value: number;
  readonly text: string;
}

const KINDS = new Map<string, Report["kind"]>([
  ["E", "setup"],
  ["N", "program"],
  ["R", "refused"],
  ["X", "exit"],
]);

/** Reads the reports; a cut-off one at the end (the launcher was killed) is left out. */
export function readReports(bytes: Buffer): Report[] {
  const reports: Report[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const read = (offset: number) => (BIG_ENDIAN ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset));
    const letter = String.fromCharCode(bytes[at] ?? 0);
    const length = read(at + 5);
    const kind = KINDS.get(letter);
    if (kind === undefined || at + 9 + length > bytes.length) break;
    reports.push({ kind, value: read(at + 1), text: bytes.toString("utf8", at + 9, at + 9 + length) });
    at += 9 + length;
  }
  return reports;
}
