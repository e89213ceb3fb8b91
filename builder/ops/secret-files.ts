// Secrets for a step lie in memory only: a private folder on a RAM file system, where
// the machine has one, removed with the step.

import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of mode 0700 that is gone when disposed. */
export function secretDirectory(): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(ramDirectory(), "tsbuild-secret-"));
  return {
    path,
    [Symbol.asyncDispose]: () => {
      rmSync(path, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

function ramDirectory(): string {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return "/dev/shm";
  } catch {
    return tmpdir(); // no RAM file system here
  }
}
