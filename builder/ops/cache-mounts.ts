// Cache mounts: directories that outlive a build, by id. `shared` ones are used by
// everybody at once, `locked` ones by one step at a time, and of a `private` one each
// concurrent step gets its own. Held across processes by lock files in the store.

import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BytePath } from "../core/byte-path.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import type { Ref } from "../snapshot/ref.ts";
import { isOwnerAlive, ownerName } from "../store/owner.ts";

export interface CacheMountRequest {
  readonly id: string;
  readonly sharing: "shared" | "private" | "locked";
  /** Of a directory that is made new. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** What a new directory starts with. */
  readonly from: { readonly ref: Ref; readonly selector: BytePath } | undefined;
}

/** A cache directory in use by one step. */
export interface CacheLease extends AsyncDisposable {
  readonly path: string;
}

export interface CacheMountsOptions {
  /** `<root>/tsbuild/mounts`. */
  readonly directory: string;
  /** On the same file system; swept when the process has died. */
  readonly temporaryDirectory: string;
  readonly privileged: boolean;
  /** Fills a new directory with what `from` holds. */
  readonly fill: (
    from: { readonly ref: Ref; readonly selector: BytePath },
    directory: string,
    signal: AbortSignal,
  ) => Promise<void>;
}

/** Hands out the cache directories of one store. */
export class CacheMounts {
  readonly #options: CacheMountsOptions;

  constructor(options: CacheMountsOptions) {
    this.#options = options;
  }

  /** Waits for a locked one; disposing the lease gives it back. */
  async acquire(request: CacheMountRequest, signal: AbortSignal): Promise<CacheLease> {
    const name = hexOf(digestOf(JSON.stringify([request.id, beginningOf(request)])));
    mkdirSync(this.#options.directory, { recursive: true });
    if (request.sharing === "shared")
      return { path: await this.#directory(name, request, signal), [Symbol.asyncDispose]: () => Promise.resolve() };
    for (let number = 0; ;) {
      const own = number === 0 ? name : `${name}.${number}`;
      const lock = tryLock(join(this.#options.directory, `${own}.lock`), this.#options.temporaryDirectory);
      if (lock) {
        try {
          const path = await this.#directory(own, request, signal);
          return { path, [Symbol.asyncDispose]: () => Promise.resolve(lock.release()) };
        } catch (error) {
          lock.release();
          throw error;
        }
      }
      if (request.sharing === "private") number += 1;
      else await sleep(50, undefined, { signal });
    }
  }

  async #directory(name: string, request: CacheMountRequest, signal: AbortSignal): Promise<string> {
    const path = join(this.#options.directory, name);
    if (existsSync(path)) return path;
    const made = join(this.#options.temporaryDirectory, randomUUID());
    mkdirSync(made);
    try {
      if (request.from === undefined) {
        if (this.#options.privileged) chownSync(made, request.uid, request.gid);
        chmodSync(made, request.mode);
      } else {
        await this.#options.fill(request.from, made, signal);
      }
      renameSync(made, path);
    } catch (error) {
      rmSync(made, { recursive: true, force: true });
      if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error; // another step was faster: theirs is as good
    }
    return path;
  }
}

/** With the id, what a cache directory starts as says which one it is, as in BuildKit. */
function beginningOf({ from, mode, uid, gid }: CacheMountRequest): readonly unknown[] | null {
  if (from !== undefined) return [from.selector, from.ref.layers.map((layer) => layer.id)];
  return mode === 0o755 && uid === 0 && gid === 0 ? null : [mode, uid, gid];
}

/** Takes a lock file that names us; one whose owner is dead is taken over. */
function tryLock(file: string, temporaryDirectory: string): { release(): void } | undefined {
  for (let attempt = 0; attempt < 2; attempt++) {
    const mine = join(temporaryDirectory, randomUUID());
    writeFileSync(mine, ownerName(), { mode: 0o600 });
    try {
      linkSync(mine, file); // appears whole, or not at all
      return { release: () => rmSync(file, { force: true }) };
    } catch (error) {
      if (!isErrno(error, "EEXIST"))
        throw new BuildError("STORE", `cannot lock the cache mount "${file}"`, { cause: error });
    } finally {
      rmSync(mine, { force: true });
    }
    if (isHeld(file)) return undefined;
    rmSync(file, { force: true });
  }
  return undefined;
}

/** A lock whose owner cannot be judged from here (another pid namespace) counts as held. */
function isHeld(file: string): boolean {
  try {
    return isOwnerAlive(readFileSync(file, "utf8")) !== false;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
