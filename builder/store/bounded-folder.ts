// A folder of small files that can be made again at any time: what was not used for longest goes when there are too many.
// Nothing depends on it: where it cannot be written, it is as if it were empty.

import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../core/errors.ts";
import { readSmallFile } from "../core/system/small-file.ts";
import { temporaryPath } from "./temporary.ts";

export interface BoundedFolderOptions {
  readonly path: string;
  readonly maxFiles: number;
  /** The sum of their sizes. */
  readonly maxBytes: number;
  /** Of the same file system, for files that are being written; where it is missing, nothing is kept. */
  readonly temporaryDirectory: string;
}

/** One such folder; several processes may use it. */
export class BoundedFolder {
  readonly #options: BoundedFolderOptions;

  constructor(options: BoundedFolderOptions) {
    this.#options = options;
  }

  /** The bytes of a file, which count as used now; undefined when it is not there. */
  async read(name: string): Promise<Uint8Array | undefined> {
    const file = join(this.#options.path, name);
    return await this.#orUndefined(async () => {
      const bytes = await readSmallFile(file);
      const now = new Date();
      utimesSync(file, now, now);
      return bytes;
    });
  }

  /** Whether a file is there. */
  has(name: string): boolean {
    return existsSync(join(this.#options.path, name));
  }

  /** Keeps bytes under a name, whole or not at all. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const { path, temporaryDirectory } = this.#options;
    const temporary = temporaryPath(temporaryDirectory, name);
    await this.#orUndefined(async () => {
      try {
        await writeFile(temporary, bytes, { flag: "wx" });
        await mkdir(path, { recursive: true });
        await rename(temporary, join(path, name));
      } finally {
        await rm(temporary, { force: true });
      }
      await this.#shrink();
    });
  }

  async #shrink(): Promise<void> {
    const { path, maxFiles, maxBytes } = this.#options;
    const files = readdirSync(path).flatMap((name) => {
      const stat = statSync(join(path, name), { throwIfNoEntry: false });
      return stat === undefined ? [] : [{ file: join(path, name), size: stat.size, used: stat.mtimeMs }];
    });
    files.sort((a, b) => b.used - a.used);
    let bytes = 0;
    for (const [at, { file, size }] of files.entries()) {
      bytes += size;
      if (at >= maxFiles || bytes > maxBytes) await rm(file, { force: true });
    }
  }

  async #orUndefined<T>(body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch (error) {
      if (isSystemError(error)) return undefined;
      throw error;
    }
  }
}
