// The blob store: a valid OCI image layout on disk. A blob is there whole and verified,
// or not there; several processes may use one store at the same time.

import type { Descriptor } from "../core/descriptor.ts";
import type { Digest } from "../core/digest.ts";

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
  /** Stores bytes at hand. */
  put(bytes: Uint8Array): Promise<{ readonly digest: Digest; readonly size: number }>;
}

/** The names in `index.json`: full references to manifests or indexes. Each change is atomic, readers see old or new. */
export interface ImageNames {
  resolve(name: string): Promise<Descriptor | undefined>;
  list(): Promise<readonly { readonly name: string; readonly descriptor: Descriptor }[]>;
  tag(name: string, descriptor: Descriptor): Promise<void>;
  untag(name: string): Promise<boolean>;
}
