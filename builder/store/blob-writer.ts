// A blob while it is written: a temporary file, which appears under its digest once it is whole, synced and verified.

import { open, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { Digest } from "../core/digest.ts";
import { BuildError } from "../core/errors.ts";
import { HashedFile } from "./hashed-file.ts";
import type { BlobWriter } from "./store.ts";

/** Where the blob is to appear. */
export interface BlobPlace {
  sizeOf(digest: Digest): Promise<number | undefined>;
  /** Moves a finished, synced file of so many bytes to its place. */
  appearAs(path: string, digest: Digest, size: number): Promise<void>;
  /** System errors as the store's errors. */
  explained<T>(body: () => Promise<T>): Promise<T>;
}

/** Hashes what passes through. A worker that writes the file itself uses `path` and `adopt`. */
export class DiskWriter implements BlobWriter {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #blobs: BlobPlace;
  readonly #signal: AbortSignal;
  readonly #content: HashedFile;
  #state: "open" | "closed" | "done" = "open";

  constructor(path: string, file: FileHandle, blobs: BlobPlace, signal: AbortSignal) {
    this.path = path;
    this.#file = file;
    this.#content = new HashedFile(file);
    this.#blobs = blobs;
    this.#signal = signal;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    await this.#blobs.explained(() => this.#content.write(chunk));
  }

  async commit(
    expected: { readonly digest?: Digest; readonly size?: number } = {},
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    const { digest, size } = await this.#blobs.explained(() => this.#content.end());
    if (expected.size !== undefined && expected.size !== size) {
      throw new BuildError(
        "DIGEST_INVALID",
        `a blob of ${expected.size} bytes was expected, ${size} came (${expected.digest ?? digest})`,
      );
    }
    if (expected.digest !== undefined && expected.digest !== digest) {
      throw new BuildError("DIGEST_INVALID", `blob ${expected.digest} was expected, ${digest} came`);
    }
    await this.#finish(digest, size);
    return { digest, size };
  }

  async adopt(found: { readonly digest: Digest; readonly size: number }): Promise<void> {
    const { size } = await this.#blobs.explained(() => stat(this.path));
    if (size !== found.size) {
      throw new BuildError(
        "DIGEST_INVALID",
        `a file of ${found.size} bytes was to become blob ${found.digest}, it has ${size}`,
      );
    }
    await this.#finish(found.digest, size);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#content.settle();
    if (this.#state === "open") await this.#file.close();
    if (this.#state !== "done") await rm(this.path, { force: true });
    this.#state = "done";
  }

  async #finish(digest: Digest, size: number): Promise<void> {
    this.#signal.throwIfAborted();
    const isThere = (await this.#blobs.sizeOf(digest)) === size;
    if (!isThere) await this.#blobs.explained(() => this.#sync());
    this.#state = "closed";
    await this.#file.close();
    if (isThere) await rm(this.path, { force: true });
    else await this.#blobs.appearAs(this.path, digest, size);
    this.#state = "done";
  }

  // A worker may have written a new file under the name: sync what lies there now.
  async #sync(): Promise<void> {
    const file = await open(this.path, "r");
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}
