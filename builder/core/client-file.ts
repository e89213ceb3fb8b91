// A file on its way between a remote client and this machine: a context's, or a result's.

import type { BytePath } from "./bytes/byte-path.ts";

export interface ClientFile {
  /** Relative, plain, below the folder. */
  readonly path: BytePath;
  readonly type: "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";
  /** Octal 0-07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a regular file, else 0. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of a symlink its target, of a hard link the path of an earlier file. */
  readonly link?: BytePath;
  readonly major?: number;
  readonly minor?: number;
}

/** A file of a result, and where the bytes of a regular one are. */
export interface OutgoingFile {
  readonly file: ClientFile;
  readonly source?:
    { readonly kind: "path"; readonly path: BytePath } | { readonly kind: "bytes"; readonly bytes: Uint8Array };
}

/** Takes the files of a client's folder as they come. */
export interface FileReceiver {
  /** Takes what is told of a file, parents first; true when its bytes are wanted. */
  entry(file: ClientFile): boolean;
  /** Waits for room for all that is wanted by now; called before it is asked for. */
  room?(): Promise<void>;
  /** The next bytes of a file that was wanted. */
  data(path: BytePath, bytes: Uint8Array): void;
  /** A file that was wanted is whole. */
  done(path: BytePath): void;
}
