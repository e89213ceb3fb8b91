// What stands in for /proc, /dev and /sys in a step's root where nothing can be mounted: devices, a few files of /proc as
// they are at that moment, and a trap. A process's open files cannot be had there by name (/dev/fd/3, /dev/stdout,
// /proc/self/fd/1): a step that opens one would go on with something else, so it fails.

import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytePath } from "../../core/byte-path.ts";
import { isErrno } from "../../core/errors.ts";
import type { OpenedFiles } from "../../core/syscall.ts";
import { mknod, S_IF, watchOpened } from "../../core/syscall.ts";
import { DEVICES } from "../sandbox-policy.ts";

/** What programs read of /proc that tells nothing of this container's processes. */
const PROC_COPIES = ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version"];
/** So many that a program which closes what it finds there closes all it has. */
const DESCRIPTORS = 256;
/** Name in /dev, and where it leads as on every Linux. */
const LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["ptmx", "pts/ptmx"],
] as const;

/** Fills the empty folders of a root; `dev`, `proc` are their real paths. */
export function furnishKernel(dev: string, proc: string): OpenedFiles | undefined {
  for (const { name, major, minor } of DEVICES) {
    const path = join(dev, name);
    mknod(bytePath(path), S_IF.char | 0o666, major, minor);
    chmodSync(path, 0o666);
  }
  for (const name of ["shm", "mqueue"]) {
    mkdirSync(join(dev, name));
    chmodSync(join(dev, name), 0o1777);
  }
  mkdirSync(join(dev, "pts"));
  for (const [name, text] of LINKS) symlinkSync(text, join(dev, name));
  // What is printed there is for people: it is better lost than the build.
  writeFileSync(join(dev, "stderr"), "", { mode: 0o666 });
  chmodSync(join(dev, "stderr"), 0o666);
  for (const name of PROC_COPIES) copyIfThere(`/proc/${name}`, join(proc, name));
  return setTrap(join(proc, "self/fd"));
}

function setTrap(directory: string): OpenedFiles | undefined {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const trap = watchOpened(bytePath(directory));
  // Without a watch nothing may be found there: what is opened has to fail.
  if (trap === undefined) return undefined;
  const first = join(directory, "0");
  writeFileSync(first, "", { mode: 0o666 });
  chmodSync(first, 0o666);
  for (let fd = 1; fd < DESCRIPTORS; fd++) linkSync(first, join(directory, String(fd)));
  trap.names();
  return trap;
}

function copyIfThere(source: string, target: string): void {
  try {
    writeFileSync(target, readFileSync(source)); // copyFileSync believes their size, which is 0
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EACCES", "EPERM", "EIO")) throw error;
  }
}
