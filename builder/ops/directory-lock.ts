// Locks of the kernel on directories (flock(2)): who uses a cache mount is known to all processes by them.

import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { BuildError, isErrno } from "../core/errors.ts";
import { flock } from "../core/system/syscall.ts";

/** A lock that is held; disposing it sets the directory free. */
export interface DirectoryLock extends Disposable {
  /** Makes a shared lock an exclusive one; false, and then it is none any more, where others have one too. */
  upgrade(): boolean;
}

/** Takes the lock on a directory; "held" when another has it, "gone" when the directory was taken away meanwhile. */
export function lockDirectory(path: string, kind: "shared" | "exclusive"): DirectoryLock | "held" | "gone" {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "gone";
    throw noLock(path, error);
  }
  let result: DirectoryLock | "held" | "gone" = "held";
  try {
    if (flock(fd, kind, { wait: false }))
      result = isStill(path, fd)
        ? { upgrade: () => flock(fd, "exclusive", { wait: false }), [Symbol.dispose]: () => closeSync(fd) }
        : "gone";
  } catch (error) {
    throw noLock(path, error);
  } finally {
    if (typeof result === "string") closeSync(fd);
  }
  return result;
}

function isStill(path: string, fd: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there?.ino === fstatSync(fd).ino;
}

function noLock(path: string, cause: unknown): BuildError {
  return new BuildError("STORE", `cannot lock the cache mount "${path}": ${(cause as Error).message}`, {
    cause,
    hint: "the store must lie on a file system with flock(2)",
  });
}
