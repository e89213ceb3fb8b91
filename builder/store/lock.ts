// A lock between processes: flock(2) on a file that stays where it is as long as anybody works. The
// kernel lets go of it when its holder dies, so there is nothing stale to clean up.

import type { FileHandle } from "node:fs/promises";
import { open, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "../core/errors.ts";
import { flock } from "../core/system/syscall.ts";

const PATIENCE_MS = 60_000;

export interface LockOptions {
  /** How long another holder is waited for; a minute if not said. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Waits for the lock on an existing, writable file; disposing what it gives sets it free. When its holder took the file away,
 * a new one in its place is locked. Throws `STORE` when patience ends, ENOENT when there is no file.
 */
export async function takeLock(
  path: string,
  { patienceMs = PATIENCE_MS, signal }: LockOptions = {},
): Promise<AsyncDisposable> {
  let file = await open(path, "r+");
  try {
    const start = performance.now();
    for (let attempt = 0; ; attempt++) {
      if (flock(file.fd, "exclusive", { wait: false })) {
        if (await isAt(path, file)) return file;
        await file.close();
        file = await open(path, "r+");
        continue;
      }
      if (performance.now() - start > patienceMs) {
        throw new BuildError("STORE", `another process has held the lock on "${path}" for a minute`, {
          hint: `fuser "${path}" names it`,
        });
      }
      // Asked again and again: a wait in the kernel would stop this whole process.
      await sleep(1 + Math.min(20, attempt), undefined, signal === undefined ? {} : { signal });
    }
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function isAt(path: string, file: FileHandle): Promise<boolean> {
  const [held, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return there?.ino === held.ino && there.dev === held.dev;
}
