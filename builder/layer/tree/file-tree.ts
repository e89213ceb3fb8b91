// A file tree to look into without mounting anything: a stack of layers
// (RootfsView), or a directory of the client (LocalTree in the source room).
// Look-ups are synchronous over what is in memory or one system call away.

import type { BytePath } from "../../core/bytes/byte-path.ts";
import type { Digest } from "../../core/digest.ts";
import type { ContentSource, Entry } from "../entry.ts";

/** What is at and below some paths, as far as that can be told without reading a file. */
export interface TreeState {
  /** Which tree it is. */
  readonly tree: string;
  /** Of one tree the same digest is the same names, modes and contents, in whatever build. */
  readonly digest: Digest;
}

export interface FileTree {
  /** The entry at a path, its last part not followed; parts before it must be directories, links are not followed. "" is the root. */
  lstat(path: BytePath): Entry | undefined;
  /** Names in a directory, in byte order; empty for anything else. */
  list(path: BytePath): readonly BytePath[];
  /** Names the inode of a regular file: equal for hard links of one file; unique otherwise. */
  inode(path: BytePath): string;
  /** Content digests of regular files; hashed in workers where not known. */
  digests(paths: readonly BytePath[], signal: AbortSignal): Promise<ReadonlyMap<BytePath, Digest>>;
  /** Where the bytes of regular files can be read. */
  sources(paths: readonly BytePath[], signal: AbortSignal): Promise<ReadonlyMap<BytePath, ContentSource>>;
  /** Whether sources are immutable, so that they may be hard-linked. */
  readonly immutable: boolean;
  /** "client": owners mean nothing (0:0 everywhere), xattrs are not read; "image": owners, capabilities, devices and links count. */
  readonly origin: "client" | "image";
  /** For a client's tree: in what state some paths are now; undefined where it cannot be told: a link, a file that has just changed, times that are not to be trusted. */
  state?(paths: readonly BytePath[]): TreeState | undefined;
  /** For a client's tree: why a path that exists is not seen, as `".dockerignore" line 3 ("dist") leaves it out`; undefined otherwise. */
  whyMissing?(path: BytePath): string | undefined;
}
