// Downloads that are kept: their bytes by digest, and what the server said of them by
// URL, so that the next build only asks whether they are still the same.
//
//   <store>/http/blobs/sha256/…   the bytes
//   <store>/http/urls/<hash>.json what is known of a URL (the hash covers its credentials)

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Digest } from "../core/digest.ts";
import { digestOf, hexOf, isDigest } from "../core/digest.ts";
import { isErrno } from "../core/errors.ts";
import type { StoreSpace } from "../core/space.ts";
import { DiskBlobs } from "../store/blobs.ts";
import type { BlobWriter } from "../store/store.ts";

/** A response whose body is kept. */
export interface Download {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Without the "W/" of a weak one. */
  readonly etag?: string;
  /** The header as it came. */
  readonly lastModified?: string;
  readonly contentDisposition?: string;
}

/** A server may go back and forth between versions: so many are remembered. */
const MOST_A_URL = 8;

export class DownloadCache {
  readonly #directory: string;
  readonly #workDirectory: string;
  readonly #blobs: DiskBlobs;

  /** `workDirectory` is for files that are not finished; on the same file system. */
  constructor(storeDirectory: string, workDirectory: string, space?: StoreSpace) {
    this.#directory = join(storeDirectory, "http");
    this.#workDirectory = workDirectory;
    mkdirSync(join(this.#directory, "blobs/sha256"), { recursive: true });
    mkdirSync(join(this.#directory, "urls"), { recursive: true });
    this.#blobs = new DiskBlobs(this.#directory, workDirectory, "STORE", { kind: "http", ...(space && { space }) });
  }

  /** What is known of a URL and still there, the latest first. */
  async known(url: string, authorization: string): Promise<readonly Download[]> {
    const found: Download[] = [];
    for (const each of this.#read(url, authorization)) {
      if ((await this.#blobs.sizeOf(each.digest)) === each.sizeBytes) found.push(each);
    }
    return found;
  }

  /** Receives a body. */
  async writer(signal: AbortSignal): Promise<BlobWriter> {
    return await this.#blobs.writer(signal);
  }

  /** Remembers a response whose body was committed. */
  remember(url: string, authorization: string, download: Download): void {
    const others = this.#read(url, authorization).filter(
      ({ digest, etag }) => digest !== download.digest || etag !== download.etag,
    );
    const text = JSON.stringify([download, ...others].slice(0, MOST_A_URL));
    const temporary = join(this.#workDirectory, randomUUID());
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, this.#place(url, authorization));
  }

  /** Absolute path of a body. */
  async pathOf(download: Download): Promise<string> {
    return await this.#blobs.pathOf(download.digest);
  }

  #read(url: string, authorization: string): readonly Download[] {
    try {
      const read: unknown = JSON.parse(readFileSync(this.#place(url, authorization), "utf8"));
      return Array.isArray(read) ? read.filter(isDownload) : [];
    } catch (error) {
      if (isErrno(error, "ENOENT") || error instanceof SyntaxError) return [];
      throw error;
    }
  }

  #place(url: string, authorization: string): string {
    return join(this.#directory, "urls", `${hexOf(digestOf(JSON.stringify([url, authorization])))}.json`);
  }
}

function isDownload(value: unknown): value is Download {
  if (typeof value !== "object" || value === null || !("digest" in value) || !("sizeBytes" in value)) return false;
  const texts = ["etag", "lastModified", "contentDisposition"].map((name): unknown => Reflect.get(value, name));
  return (
    typeof value.digest === "string" &&
    isDigest(value.digest) &&
    typeof value.sizeBytes === "number" &&
    texts.every((text) => text === undefined || typeof text === "string")
  );
}
