// A configuration file's text: there whole, or not there.

import { BuildError, isErrno, isSystemError } from "../../../builder/core/errors.ts";
import { readSmallFile } from "../../../builder/core/system/small-file.ts";

/** The text of a file; undefined when there is no such file. Throws `CONFIG` when it may not be read. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readSmallFile(path)).toString("utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw unreadable(path, error);
  }
}

/** The error for a file or folder that is there and cannot be read. */
export function unreadable(path: string, cause: unknown): BuildError {
  const why = isErrno(cause, "EACCES", "EPERM")
    ? "permission denied"
    : isErrno(cause, "EISDIR")
      ? "it is a directory"
      : isSystemError(cause)
        ? cause.code
        : String(cause);
  return new BuildError("CONFIG", `cannot read "${path}": ${why}`, { cause });
}

/** Whether an error is that of a file which exists, but not for this user. */
export function isForbidden(error: unknown): boolean {
  return error instanceof BuildError && isErrno(error.cause, "EACCES", "EPERM");
}
