// What stands in for /proc, /dev and /sys in a step's root where nothing can be mounted: devices, a few files of /proc as
// they are at that moment, and traps. A process's open files cannot be had there by name (/dev/fd/3, /dev/stdout,
// /proc/self/fd/1), nor what is mounted: a step that opens one would go on with something else, so it fails. Where a
// supervisor answers, it opens these files for the step, and only what escapes it finds the traps.

import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytePath } from "../../core/bytes/byte-path.ts";
import { isErrno } from "../../core/errors.ts";
import type { OpenedFiles } from "../../core/system/syscall.ts";
import { mknod, S_IF, watchOpened } from "../../core/system/syscall.ts";
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

/** Looks which files of these folders, which nobody can have here, a step opened. */
export interface KernelTraps extends Disposable {
  /** Their paths in the root. */
  opened(): readonly string[];
}

/** Fills the empty folders of a root; `dev`, `proc` are their real paths. */
export function furnishKernel(dev: string, proc: string, isWatched: boolean): KernelTraps {
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
  if (isWatched) symlinkSync("/proc/self/fd/2", join(dev, "stderr"));
  else {
    // What is printed there is for people: it is better lost than the build.
    writeFileSync(join(dev, "stderr"), "", { mode: 0o666 });
    chmodSync(join(dev, "stderr"), 0o666);
  }
  for (const name of PROC_COPIES) copyIfThere(`/proc/${name}`, join(proc, name));
  symlinkSync("self/mounts", join(proc, "mounts"));
  const traps = setTraps(proc, isWatched ? ownNames("file") : ["mounts"]);
  if (isWatched) {
    symlinkSync("self/net", join(proc, "net"));
    symlinkSync("/", join(proc, "self/root"));
    for (const name of ownNames("directory").filter((it) => it !== "fd")) mkdirSync(join(proc, "self", name));
    mkdirSync(join(proc, "thread-self"));
  }
  for (const path of [proc, join(proc, "self"), join(proc, "self/fd")]) chmodSync(path, 0o555);
  return traps;
}

/** What a process finds of itself in /proc. */
function ownNames(kind: "file" | "directory"): string[] {
  return readdirSync("/proc/self", { withFileTypes: true })
    .filter((entry) => entry.name !== "root" && entry.isDirectory() === (kind === "directory"))
    .map(({ name }) => name);
}

function setTraps(proc: string, names: readonly string[]): KernelTraps {
  using undo = new DisposableStack();
  const traps: [folder: string, files: OpenedFiles][] = [];
  const set = (folder: string, files: readonly string[]): void => {
    const path = join(proc, folder);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    const opened = watchOpened(bytePath(path));
    // Without a watch nothing may be found there: what is opened has to fail.
    if (opened === undefined) return;
    undo.use(opened);
    makeEmpty(path, files);
    opened.names();
    traps.push([`/proc/${folder}`, opened]);
  };
  set("self", names);
  set(
    "self/fd",
    Array.from({ length: DESCRIPTORS }, (_, fd) => String(fd)),
  );
  const held = undo.move();
  return {
    opened: () => traps.flatMap(([folder, files]) => files.names().map((name) => `${folder}/${name}`)),
    [Symbol.dispose]: () => held.dispose(),
  };
}

/** One empty file under many names. */
function makeEmpty(directory: string, [first = "", ...more]: readonly string[]): void {
  const path = join(directory, first);
  writeFileSync(path, "", { mode: 0o666 });
  chmodSync(path, 0o666);
  for (const name of more) linkSync(path, join(directory, name));
}

function copyIfThere(source: string, target: string): void {
  try {
    writeFileSync(target, readFileSync(source)); // copyFileSync believes their size, which is 0
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EACCES", "EPERM", "EIO")) throw error;
  }
}
