// What the tar reader and the tar writer share: one header as we see it, the size of a
// block, and the error for bytes that are no tar.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import { displayPath } from "../../core/bytes/byte-path.ts";
import { BuildError } from "../../core/errors.ts";

/** Headers and padding come in units of this many bytes. */
export const TAR_BLOCK = 512;

/** Types of archive members that mean something to a file system. */
export type TarType = "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** One member of an archive, with pax and GNU extensions already merged in. */
export interface TarHeader {
  /** The name as the archive has it: it may be absolute, hold "..", end with a slash. */
  readonly name: BytePath;
  readonly type: TarType;
  /** Octal 0-07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the file's content, holes included; 0 for all but files. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Target of a link; "" for the rest. */
  readonly link: BytePath;
  readonly major: number;
  readonly minor: number;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

/** Bytes of padding after content of this size. */
export function paddingOf(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** An archive that breaks its format; `name` is the member that shows it. */
export function invalidArchive(why: string, name?: BytePath, cause?: unknown): BuildError {
  const message = name === undefined ? `invalid archive: ${why}` : `invalid archive: "${displayPath(name)}": ${why}`;
  return new BuildError("ARCHIVE_INVALID", message, cause === undefined ? {} : { cause });
}
