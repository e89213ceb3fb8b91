// Why something of the user's could not be written, in words.

import { BuildError, isSystemError } from "../errors.ts";

/** A system error as an `OUTPUT` error that names the destination; others as they are. `own` are words for further errnos. */
export function cannotWrite(path: string, error: unknown, own: Readonly<Record<string, string>>): unknown {
  if (!isSystemError(error)) return error;
  const reasons: Readonly<Record<string, string>> = {
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EROFS: "the file system is read-only",
    EACCES: "permission denied",
    EPERM: "permission denied",
    ...own,
  };
  return new BuildError("OUTPUT", `cannot write "${path}": ${reasons[error.code] ?? error.message}`, { cause: error });
}
