// A lock between processes: flock(2) on a file of the layout that is never replaced. The
// kernel lets go of it when its holder dies, so there is nothing stale to clean up.

import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "../core/errors.ts";
import { flock } from "../core/syscall.ts";

const PATIENCE_MS = 60_000;

export interface LockOptions {
  /** How long another holder is waited for; a minute if not said. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** Waits for the lock on an existing, writable file; disposing what it gives sets it free. Throws `STORE` when patience ends. */
export async function takeLock(
  path: string,
  { patienceMs = PATIENCE_MS, signal }: LockOptions = {},
): Promise<AsyncDisposable> {
  const file = await open(path, "r+");
  try {
    const start = performance.now();
    for (let attempt = 0; !flock(file.fd, "exclusive", { wait: false }); attempt++) {
      if (performance.now() - start > patienceMs) {
        throw new BuildError("STORE", `another process has held the lock on "${path}" for a minute`, {
          hint: `fuser "${path}" names it`,
        });
      }
      // Asked again and again: a wait in the kernel would stop this whole process.
      await sleep(1 + Math.min(20, attempt), undefined, signal === undefined ? {} : { signal });
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
