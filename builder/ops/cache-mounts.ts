// Cache mounts: directories that outlive a build, by id. `shared` ones are used by many steps at once, `locked` ones by
// one step alone, and of a `private` one each concurrent step gets its own. Which step uses one is known to all
// processes by a flock(2) on the directory itself, which the kernel takes back when its holder dies.

import { mkdirSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { BytePath } from "../core/bytes/byte-path.ts";
import { digestOf, hexOf } from "../core/digest.ts";
import type { Ref } from "../snapshot/ref.ts";
import type { DirectoryLock } from "./directory-lock.ts";
import { lockDirectory } from "./directory-lock.ts";
import type { MountDirectoriesOptions, MountsElsewhere } from "./mount-directories.ts";
import { MountDirectories } from "./mount-directories.ts";

export interface CacheMountRequest {
  readonly id: string;
  readonly sharing: "shared" | "private" | "locked";
  /** The step cannot write there. */
  readonly readonly: boolean;
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

/** A mount that is read as a whole, as its steps have left it. Disposing it gives it back. */
export interface ReadMount extends Disposable {
  readonly path: string;
  /** Which content it has, unless a step has had it since that was known. */
  readonly version: string | undefined;
  /** Says which content it turned out to have; nothing happens where a step has begun to use it meanwhile. */
  settle(version: string): void;
}

const LONGEST_WAIT_MS = 50;
const STRICTEST: readonly CacheMountRequest["sharing"][] = ["locked", "private", "shared"];

/** Hands out the cache directories of one store. */
export class CacheMounts {
  readonly #options: MountDirectoriesOptions;
  readonly #directories: MountDirectories;

  constructor(options: MountDirectoriesOptions) {
    this.#options = options;
    this.#directories = new MountDirectories(options);
  }

  /** The same directories, for a build that names caches elsewhere. */
  with(elsewhere: MountsElsewhere): CacheMounts {
    return new CacheMounts({ ...this.#options, elsewhere });
  }

  /** The same directories, for a build that wants the mounts with these ids to begin anew. */
  renewing(ids: ReadonlySet<string>): CacheMounts {
    return ids.size === 0 ? this : new CacheMounts({ ...this.#options, renewed: ids });
  }

  /**
   * The directories of one step. Waits for `locked` ones; all steps take them in one order, so that no two wait for
   * each other. What a step mounts twice is one directory.
   */
  async acquire(requests: readonly CacheMountRequest[], signal: AbortSignal): Promise<CacheLease> {
    using undo = new DisposableStack();
    mkdirSync(this.#options.directory, { recursive: true });
    const names = requests.map(mountName);
    const paths = new Map<string, string>();
    for (const name of [...new Set(names)].toSorted()) {
      const same = requests.filter((_, number) => names[number] === name);
      const [request] = same.toSorted((a, b) => STRICTEST.indexOf(a.sharing) - STRICTEST.indexOf(b.sharing));
      const readonly = same.every((one) => one.readonly);
      if (request !== undefined) paths.set(name, await this.#take(name, { ...request, readonly }, undo, signal));
    }
    const held = undo.move();
    return {
      paths: names.map((name) => paths.get(name) ?? ""),
      [Symbol.dispose]: () => held.dispose(),
    };
  }

  /**
   * A mount to be read. Waits for steps that have it for themselves; those that share it go on, and whoever reads has to
   * find out whether they wrote. Undefined when there is none.
   */
  async read(name: string, signal: AbortSignal): Promise<ReadMount | undefined> {
    const directories = this.#directories;
    const path = directories.pathOf(name);
    this.#options.space.hold(`mount/${name}`);
    const lock = await waitForLock(path, "shared", signal);
    if (lock === "gone") return undefined;
    const version = directories.versionOf(name);
    // Who has had it since shows by this having gone.
    const mark = version ?? `reading ${randomUUID()}`;
    directories.setVersion(name, mark);
    return {
      path,
      version,
      settle: (found) => {
        if (lock.upgrade() && directories.versionOf(name) === mark) directories.setVersion(name, found);
      },
      [Symbol.dispose]: () => {
        if (version === undefined && directories.versionOf(name) === mark) directories.setVersion(name, undefined);
        lock[Symbol.dispose]();
      },
    };
  }

  async #take(name: string, request: CacheMountRequest, undo: DisposableStack, signal: AbortSignal): Promise<string> {
    for (let number = 0; ;) {
      signal.throwIfAborted();
      const own = number === 0 ? name : `${name}.${number}`;
      const path = await this.#directories.prepare(own, request, signal);
      const kind = request.sharing === "shared" ? "shared" : "exclusive";
      const lock = request.sharing === "locked" ? await waitForLock(path, kind, signal) : lockDirectory(path, kind);
      if (lock === "gone") continue;
      if (lock !== "held") {
        undo.use(lock);
        if (!request.readonly) this.#isWritten(own, undo);
        return path;
      }
      number += 1;
    }
  }

  /** From now until it is given back nobody knows what is in it; whoever reads it meanwhile sees by the end that it was written to. */
  #isWritten(name: string, undo: DisposableStack): void {
    const forget = (): void => this.#directories.setVersion(name, undefined);
    forget();
    undo.defer(forget);
  }
}

async function waitForLock(
  path: string,
  kind: "shared" | "exclusive",
  signal: AbortSignal,
): Promise<DirectoryLock | "gone"> {
  for (let wait = 1; ; wait = Math.min(LONGEST_WAIT_MS, wait * 2)) {
    signal.throwIfAborted();
    const lock = lockDirectory(path, kind);
    if (lock !== "held") return lock;
    await sleep(wait, undefined, { signal });
  }
}

/** The name of a mount's directory: the same in every store where it begins alike. */
export function mountName(request: Pick<CacheMountRequest, "id" | "mode" | "uid" | "gid" | "from">): string {
  return hexOf(digestOf(JSON.stringify([request.id, beginningOf(request)])));
}

/** With the id, what a cache directory starts as says which one it is, as in BuildKit. */
function beginningOf({
  from,
  mode,
  uid,
  gid,
}: Pick<CacheMountRequest, "mode" | "uid" | "gid" | "from">): readonly unknown[] | null {
  if (from !== undefined) return [from.selector, from.ref.layers.map((layer) => layer.id)];
  return mode === 0o755 && uid === 0 && gid === 0 ? null : [mode, uid, gid];
}
