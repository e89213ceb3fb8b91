// The blob store: a valid OCI image layout on disk. A blob is there whole and verified,
// or not there; several processes may use one store at the same time.

import type { Descriptor } from "../core/image/descriptor.ts";
import type { Digest } from "../core/digest.ts";
import type { GrowingFile } from "../core/system/growing-file.ts";

/** A blob being written. Disposing it before `commit` removes every trace. */
export interface BlobWriter extends AsyncDisposable {
  /** Absolute path of the temporary file; workers may write it themselves and call `commit` with what they found. */
  readonly path: string;
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the blob visible under its digest (fsync, rename). Throws `DIGEST_INVALID` when `expected` differs from what was written. */
  commit(expected?: {
    readonly digest?: Digest;
    readonly size?: number;
  }): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** The same for a file that a worker wrote and digested at `path`. */
  adopt(found: { readonly digest: Digest; readonly size: number }): Promise<void>;
}

/**
 * A blob on its way from elsewhere, which may be broken off and taken up again, also by another process. Disposing it
 * before `commit` keeps what came, invisible, for the next one.
 */
export interface BlobDownload extends AsyncDisposable {
  /** How many bytes are there. */
  readonly position: number;
  /** Its file, for somebody who reads it while it comes. It becomes whole with `commit`, and breaks with `restart`. */
  growing(): GrowingFile;
  write(chunk: Uint8Array): Promise<void>;
  /** Forgets what came. */
  restart(): Promise<void>;
  /** Makes the blob visible. Throws `DIGEST_INVALID` when what came is not the blob; then nothing is kept. */
  commit(): Promise<void>;
}

/** What is remembered of transfers, so that the next ones send less. Losing it costs time only. */
export interface BlobNotes {
  /** Repositories of registries ("docker.io/library/busybox") that had a blob, the last one first. */
  holders(digest: Digest): Promise<readonly string[]>;
  addHolder(digest: Digest, repository: string): Promise<void>;
  /** Where an upload of a blob to a repository was broken off: a URL, perhaps with a secret in it. */
  upload(digest: Digest, repository: string): Promise<string | undefined>;
  setUpload(digest: Digest, repository: string, url: string | undefined): Promise<void>;
}

/** Content-addressed bytes. */
export interface BlobStore {
  /** Root of the layout: holds oci-layout, index.json, blobs/sha256. */
  readonly layoutPath: string;
  has(digest: Digest): Promise<boolean>;
  /** Absolute path of a blob; throws `STORE` when it is not there. */
  pathOf(digest: Digest): Promise<string>;
  /** Size in bytes, or undefined when it is not there. */
  sizeOf(digest: Digest): Promise<number | undefined>;
  /** Whole small blob (manifest, config), verified. Throws `STORE`. */
  read(digest: Digest, maxBytes?: number): Promise<Uint8Array>;
  /** The bytes of a blob in chunks of 256 KiB and more. */
  open(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  writer(signal: AbortSignal): Promise<BlobWriter>;
  /**
   * Takes up, or begins, the download of a blob that is not there; undefined when it is there by now. One process at a
   * time has it; the others wait as long as it gets on.
   */
  download(blob: Pick<Descriptor, "digest" | "size">, signal: AbortSignal): Promise<BlobDownload | undefined>;
  /** A place that outlives this process has some. */
  readonly notes?: BlobNotes;
  /** Stores bytes at hand. */
  put(bytes: Uint8Array): Promise<{ readonly digest: Digest; readonly size: number }>;
}

/** The names in `index.json`: full references to manifests or indexes. Each change is atomic, readers see old or new. */
export interface ImageNames {
  resolve(name: string): Promise<Descriptor | undefined>;
  list(): Promise<readonly { readonly name: string; readonly descriptor: Descriptor }[]>;
  tag(name: string, descriptor: Descriptor): Promise<void>;
  untag(name: string): Promise<boolean>;
  /** Images that are kept without a name. */
  unnamed(): Promise<readonly Descriptor[]>;
  /** Keeps an image without a name; nothing happens when it has one. */
  keep(descriptor: Descriptor): Promise<void>;
  /** Forgets an image that is kept without a name. */
  drop(digest: Digest): Promise<boolean>;
}
