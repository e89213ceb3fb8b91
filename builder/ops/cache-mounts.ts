// Cache mounts: directories that outlive a build, by id. `shared` ones are used by many steps at once, `locked` ones by
// one step alone, and of a `private` one each concurrent step gets its own. Which step uses one is known to all
// processes by a flock(2) on the directory itself, which the kernel takes back when its holder dies.

import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BytePath } from "../core/byte-path.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import { BuildError, isErrno } from "../core/errors.ts";
import type { StoreSpace } from "../core/space.ts";
import { flock } from "../core/syscall.ts";
import type { Ref } from "../snapshot/ref.ts";

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

/** The cache directories in use by one step; disposing gives them back. */
export interface CacheLease extends Disposable {
  /** In the order of the requests. */
  readonly paths: readonly string[];
}

export interface CacheMountsOptions {
  /** `<root>/tsbuild/mounts`. */
  readonly directory: string;
  /** On the same file system; swept when the process has died. */
  readonly temporaryDirectory: string;
  readonly space: StoreSpace;
  readonly privileged: boolean;
  /** Fills a new directory with what `from` holds. */
  readonly fill: (
    from: { readonly ref: Ref; readonly selector: BytePath },
    directory: string,
    signal: AbortSignal,
  ) => Promise<void>;
}

const LONGEST_WAIT_MS = 50;
const STRICTEST: readonly CacheMountRequest["sharing"][] = ["locked", "private", "shared"];

/** Hands out the cache directories of one store. */
export class CacheMounts {
  readonly #options: CacheMountsOptions;

  constructor(options: CacheMountsOptions) {
    this.#options = options;
  }

  /**
   * The directories of one step. Waits for `locked` ones; all steps take them in one order, so that no two wait for
   * each other. What a step mounts twice is one directory.
   */
  async acquire(requests: readonly CacheMountRequest[], signal: AbortSignal): Promise<CacheLease> {
    using undo = new DisposableStack();
    mkdirSync(this.#options.directory, { recursive: true });
    const names = requests.map(nameOf);
    const paths = new Map<string, string>();
    for (const name of [...new Set(names)].toSorted()) {
      const same = requests.filter((_, number) => names[number] === name);
      const [request] = same.toSorted((a, b) => STRICTEST.indexOf(a.sharing) - STRICTEST.indexOf(b.sharing));
      if (request !== undefined) paths.set(name, await this.#take(name, request, undo, signal));
    }
    const held = undo.move();
    return {
      paths: names.map((name) => paths.get(name) ?? ""),
      [Symbol.dispose]: () => held.dispose(),
    };
  }

  async #take(name: string, request: CacheMountRequest, undo: DisposableStack, signal: AbortSignal): Promise<string> {
    for (let [number, wait] = [0, 1]; ;) {
      signal.throwIfAborted();
      const path = await this.#directory(number === 0 ? name : `${name}.${number}`, request, signal);
      const lock = lockDirectory(path, request.sharing === "shared" ? "shared" : "exclusive");
      if (lock === "gone") continue;
      if (lock !== "held") {
        undo.use(lock);
        return path;
      }
      if (request.sharing === "locked") {
        await sleep(wait, undefined, { signal });
        wait = Math.min(LONGEST_WAIT_MS, wait * 2);
      } else number += 1;
    }
  }

  async #directory(name: string, request: CacheMountRequest, signal: AbortSignal): Promise<string> {
    const path = join(this.#options.directory, name);
    const { space } = this.#options;
    space.hold(`mount/${name}`);
    space.label(`mount/${name}`, `cached mount with id ${request.id}`);
    // The step will write there.
    space.landed(`mount/${name}`);
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

function nameOf(request: CacheMountRequest): string {
  return hexOf(digestOf(JSON.stringify([request.id, beginningOf(request)])));
}

/** With the id, what a cache directory starts as says which one it is, as in BuildKit. */
function beginningOf({ from, mode, uid, gid }: CacheMountRequest): readonly unknown[] | null {
  if (from !== undefined) return [from.selector, from.ref.layers.map((layer) => layer.id)];
  return mode === 0o755 && uid === 0 && gid === 0 ? null : [mode, uid, gid];
}

/** A lock on a directory; "held" when another has it, "gone" when the directory was taken away meanwhile. */
function lockDirectory(path: string, kind: "shared" | "exclusive"): Disposable | "held" | "gone" {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "gone";
    throw noLock(path, error);
  }
  let result: Disposable | "held" | "gone" = "held";
  try {
    if (flock(fd, kind, { wait: false }))
      result = isStill(path, fd) ? { [Symbol.dispose]: () => closeSync(fd) } : "gone";
  } catch (error) {
    throw noLock(path, error);
  } finally {
    if (typeof result === "string") closeSync(fd);
  }
  return result;
}

function isStill(path: string, fd: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there?.ino === fstatSync(fd).ino;
}

function noLock(path: string, cause: unknown): BuildError {
  return new BuildError("STORE", `cannot lock the cache mount "${path}": ${(cause as Error).message}`, {
    cause,
    hint: "the store must lie on a file system with flock(2)",
  });
}
