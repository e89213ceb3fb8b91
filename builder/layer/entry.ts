// A layer is a list of entries (its index) and the bytes of its files. The list is
// in the order of the layer's tar; the bytes lie in a directory or in a blob.

import type { BytePath } from "../core/bytes/byte-path.ts";
import type { Digest } from "../core/digest.ts";

/**
 * What an entry is. "whiteout" hides a path of the layers below; "opaque" hides everything that
 * layers below have inside the directory `path` (image-spec, layer.md, Whiteouts). Opaque markers are read, never written by us.
 */
export type EntryType = "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo" | "whiteout" | "opaque";

export interface Entry {
  /** Relative, without leading or trailing slash, without "." and ".." parts; "" is the root directory itself. */
  readonly path: BytePath;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky: octal 0-07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a regular file; 0 for everything else. */
  readonly size: number;
  /** Nanoseconds since the epoch; may be negative. */
  readonly mtimeNs: bigint;
  /** Target of a symlink as it is; of a hard link the path of an earlier entry of the same layer. */
  readonly link?: BytePath;
  /** Device numbers of char and block. */
  readonly major?: number;
  readonly minor?: number;
  /** Extended attributes by name; values are bytes. Sorted by name where written. */
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /**
   * Of a regular file: names that lower layers have and this layer does not list, which are now names of this
   * file too. A step that makes a link to a file of a lower layer leaves the first name as it was.
   */
  readonly lowerNames?: readonly BytePath[];
  /** Digest of a regular file's content, once known. */
  readonly digest?: Digest;
}

/** One that is being put together. */
export type MutableEntry = { -readonly [Key in keyof Entry]: Entry[Key] };

/** Where the bytes of one regular file are. Paths are absolute byte paths on this machine. */
export type ContentSource =
  { readonly kind: "path"; readonly path: BytePath } | { readonly kind: "bytes"; readonly bytes: Uint8Array };

/** An entry that is about to be written, and for a regular file where its bytes come from. Goes to workers as it is. */
export interface SourcedEntry {
  readonly entry: Entry;
  readonly source?: ContentSource;
}
