// Where the folders of clients are kept: one folder a context in `contexts` of the store. A build has its place for
// itself; where two builds have the same context at once, the second one gets another place, which begins empty or with
// what an earlier one left.

import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { bytePath } from "../core/bytes/byte-path.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import type { StoreSpace } from "../core/space.ts";
import { flock } from "../core/system/syscall.ts";
import { removeTree } from "../core/system/remove-tree.ts";
import { KeptFolder } from "./kept-folder.ts";
import type { StatCachePlace } from "./stat-cache.ts";
import { StatCache } from "./stat-cache.ts";

/** More than a machine's developers have under way; the least recently used go. */
const MOST_PLACES = 32;
const MOST_AT_ONCE = 64;

/** A folder that nobody else uses until it is disposed. */
export interface FolderPlace extends Disposable {
  readonly directory: string;
  /** Begins to bring it to what a client tells; `progress` is told of the bytes that have come, `space` is asked for what they take. */
  receive(progress: (bytes: number) => void, space: StoreSpace): KeptFolder;
  /** Writes down what is there now takes, so that whoever counts need not look at each file. */
  measured(bytes: number): void;
}

export class KeptFolders {
  readonly #folder: string;
  readonly #digests: StatCachePlace;

  /** `storeDirectory` is `<root>/tsbuild`. */
  constructor(storeDirectory: string) {
    this.#folder = join(storeDirectory, "contexts");
    // Nothing is asked of it, so nothing need have settled.
    this.#digests = { storeDirectory, workDirectory: join(storeDirectory, "work"), nowMs: 0 };
  }

  /** The place of a context, by what names it. Throws `STORE`. */
  take(key: string): FolderPlace {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    mkdirSync(this.#digests.workDirectory, { recursive: true });
    const hex = hexOf(digestOf(key));
    for (let number = 0; number < MOST_AT_ONCE; number++) {
      const name = `${hex}.${number}`;
      const lock = this.#lock(name);
      if (lock === undefined) continue;
      try {
        const directory = join(this.#folder, name);
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        const now = new Date();
        utimesSync(`${directory}.lock`, now, now);
        ftruncateSync(lock); // what was measured is about to change
        this.#removeOld();
        return {
          directory,
          receive: (progress, space) =>
            new KeptFolder(directory, { progress, space, known: StatCache.open(directory, this.#digests) }),
          measured: (bytes) => void writeSync(lock, String(bytes)),
          [Symbol.dispose]: () => closeSync(lock),
        };
      } catch (error) {
        closeSync(lock);
        throw error;
      }
    }
    throw new BuildError("STORE", `${MOST_AT_ONCE} builds use the same context at once`);
  }

  /** The lock's descriptor; undefined when somebody has it. The kernel lets go of it when its holder dies. */
  #lock(name: string): number | undefined {
    const fd = openSync(join(this.#folder, `${name}.lock`), "a", 0o600);
    const path = join(this.#folder, `${name}.lock`);
    // It may have been removed between the two: then another file has that name by now, or none.
    if (flock(fd, "exclusive", { wait: false }) && statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino)
      return fd;
    closeSync(fd);
    return undefined;
  }

  #removeOld(): void {
    const places = readdirSync(this.#folder)
      .filter((name) => name.endsWith(".lock"))
      .flatMap((name) => {
        const found = statSync(join(this.#folder, name), { throwIfNoEntry: false });
        return found === undefined ? [] : [{ name: name.slice(0, -".lock".length), usedMs: found.mtimeMs }];
      })
      .toSorted((a, b) => b.usedMs - a.usedMs);
    for (const { name } of places.slice(MOST_PLACES)) this.#remove(name);
  }

  #remove(name: string): void {
    const lock = this.#lock(name);
    if (lock === undefined) return;
    try {
      const path = join(this.#folder, name);
      removeTree(bytePath(path));
      rmSync(`${path}.lock`, { force: true });
    } catch (error) {
      if (!isErrno(error, "ENOENT", "EACCES")) throw error; // of another user's daemon
    } finally {
      closeSync(lock);
    }
  }
}
