// A lock on a name that many processes may want for a while: flock(2) on a file that is there only while somebody
// holds or wants it. The kernel lets go of it when its holder dies; the empty file that stays is taken by the next one.

import { closeSync, fstatSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, isErrno } from "../core/errors.ts";
import { flock } from "../core/system/syscall.ts";
import { makeDirectories } from "./directories.ts";

/** A lock that is held. */
export interface KeyLock {
  /** Gives it back; once is enough. */
  release(): void;
}

const LONGEST_WAIT_MS = 50;

/** Waits for the lock on a name, however long its holder takes. Throws `STORE` where no lock can be had. */
export async function takeKeyLock(directory: string, name: string, signal: AbortSignal): Promise<KeyLock> {
  const path = join(directory, name);
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    const fd = await openLockFile(directory, path);
    let isHeld = false;
    try {
      isHeld = tryFlock(fd, path) && fstatSync(fd).nlink > 0;
    } finally {
      if (!isHeld) closeSync(fd);
    }
    // A holder that is done takes the file away: then the lock was on nothing.
    if (isHeld) return held(fd, path);
    await sleep(Math.min(LONGEST_WAIT_MS, 1 + attempt * 2), undefined, { signal });
  }
}

/** Takes away the files of locks that nobody holds: their holders died. The directory need not be there. */
export function sweepKeyLocks(directory: string): void {
  for (const name of statSync(directory, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(directory)) {
    const path = join(directory, name);
    const fd = openIfThere(path);
    if (fd === undefined) continue;
    if (tryFlock(fd, path)) rmSync(path, { force: true });
    closeSync(fd);
  }
}

function held(fd: number, path: string): KeyLock {
  let isReleased = false;
  return {
    release() {
      if (!isReleased) {
        isReleased = true;
        rmSync(path, { force: true });
        closeSync(fd);
      }
    },
  };
}

async function openLockFile(directory: string, path: string): Promise<number> {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw noLock(path, error);
  }
  try {
    await makeDirectories(directory);
    return openSync(path, "a", 0o600);
  } catch (error) {
    throw noLock(path, error);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r+");
  } catch {
    return undefined; // its holder has just taken it away, or it is another user's
  }
}

function tryFlock(fd: number, path: string): boolean {
  try {
    return flock(fd, "exclusive", { wait: false });
  } catch (error) {
    throw noLock(path, error);
  }
}

function noLock(path: string, cause: unknown): BuildError {
  return new BuildError("STORE", `cannot lock "${path}": ${(cause as Error).message}`, {
    cause,
    hint: "the store must lie on a file system with flock(2)",
  });
}
