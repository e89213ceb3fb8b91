// Locks of the kernel (fcntl(2), through SQLite, which is loaded anyway): one on a file of its own, exclusive. It is gone
// when its process ends, however it ends; nothing that a dead process left has to be judged by its pid.

import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BuildError } from "../core/errors.ts";

/** A held lock; disposing it sets it free. The file stays. Never open a file that this process has locked: to close it would free the lock. */
export type KernelLock = Disposable;

/** Takes the lock on a file, which is made if need be; undefined when another holds it. Throws SQLite's error when there can be no lock. */
export function tryLock(path: string): KernelLock | undefined {
  return lock(path, 0);
}

/** The same, waiting for another holder; throws when `patienceMs` are over. Blocks the event loop. */
export function waitForLock(path: string, patienceMs: number): KernelLock {
  const taken = lock(path, patienceMs);
  if (taken === undefined) throw new Error(`another process has held the lock on "${path}" for ${patienceMs} ms`);
  return taken;
}

/** Throws `STORE` where the file system of a folder has no locks: then those of a new file, which nobody else knows, are "busy" (fcntl(2), ENOLCK). */
export function refuseLockless(directory: string): void {
  const path = join(directory, `${randomUUID()}.lock`);
  try {
    const lock = tryLock(path);
    lock?.[Symbol.dispose]();
    if (lock === undefined) throw lockless(directory);
  } finally {
    rmSync(path, { force: true });
  }
}

/** That there are none. */
export function lockless(directory: string): BuildError {
  return new BuildError("STORE", `the file system of "${directory}" has no locks, which a store needs`, {
    hint: "point --root (or TSBUILD_ROOT) at a disk of this machine",
  });
}

/** Those of this process: a lock whose holder keeps nothing of it would end with the next garbage collection. */
const held = new Set<DatabaseSync>();

function lock(path: string, patienceMs: number): KernelLock | undefined {
  const database = new DatabaseSync(path, { timeout: patienceMs });
  try {
    // Nothing is ever written there, so no journal is needed either.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    held.add(database);
    return {
      [Symbol.dispose]: () => {
        held.delete(database);
        database.close();
      },
    };
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

const SQLITE_BUSY = 5;
