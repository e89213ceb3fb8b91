// Takes one item out of a store: aside in a moment in which nobody can begin to use it, then away.

import { closeSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { LeaseFloor } from "../cache/ledger.ts";
import { pruneResultsOf } from "../cache/pruned.ts";
import { bytePath } from "../core/bytes/byte-path.ts";
import { isErrno } from "../core/errors.ts";
import { removeAny } from "../core/system/remove-tree.ts";
import type { ItemName } from "../core/space.ts";
import { flock } from "../core/system/syscall.ts";
import { temporaryPath } from "../store/temporary.ts";
import { openIfThere } from "../store/open-if-there.ts";
import type { StoreParts } from "./inventory.ts";
import type { DiskItem, Inventory } from "./items.ts";

/** Takes items of one inventory away, and keeps track of what others still need. */
export class Remover {
  readonly #parts: StoreParts;
  readonly #floor: LeaseFloor;
  readonly #blobUsers: Map<string, number>;
  readonly #blobBytes: ReadonlyMap<string, number>;
  readonly #trash: string;
  readonly #nowMs: number;

  constructor(parts: StoreParts, inventory: Inventory, floor: LeaseFloor, nowMs: number) {
    this.#parts = parts;
    this.#floor = floor;
    this.#blobUsers = new Map(inventory.blobUsers);
    this.#blobBytes = inventory.blobBytes;
    this.#trash = temporaryPath(join(parts.root, "tsbuild/work"), "gone");
    this.#nowMs = nowMs;
  }

  /** How many bytes are free by it; undefined when it stays, because somebody uses it. */
  remove(item: DiskItem): number | undefined {
    const { database, ledger } = this.#parts;
    const { layer } = item;
    const ownBlobs = item.blobs.filter((hex) => this.#blobUsers.get(hex) === 1 && this.#blobBytes.has(hex));
    const paths = [...item.paths, ...ownBlobs.map((hex) => join(this.#parts.root, "blobs/sha256", hex))];
    const locks = [...item.locks, ...ownBlobs.map((hex): ItemName => `blob/${hex}`)];
    if (item.kind === "cache mount" && isLocked(paths[0])) return undefined;
    const isGone =
      locks.length === 0
        ? this.#removeLoose(item, paths)
        : ledger.removeUnlessHeld(locks, this.#floor, {
            forget: layer === undefined ? undefined : () => pruneResultsOf(database, layer, this.#nowMs),
            remove: () => this.#moveAside(paths),
          });
    if (!isGone) return undefined;
    for (const hex of item.blobs) this.#blobUsers.set(hex, (this.#blobUsers.get(hex) ?? 1) - 1);
    removeAny(bytePath(this.#trash));
    return item.bytes;
  }

  /**
   * A state of a failed step that somebody looks at is locked (see records/build-records.ts), as is a client's context that
   * a build uses (source/kept-folders.ts); the rest is found missing by whoever looks.
   */
  #removeLoose({ kind }: DiskItem, paths: readonly string[]): boolean {
    if (kind !== "failed step" && kind !== "client context") {
      this.#moveAside(paths);
      return true;
    }
    // What is locked comes last, so that it goes last.
    const file = openIfThere(paths.at(-1) ?? "");
    if (file === undefined) return false;
    try {
      if (!flock(file, "exclusive", { wait: false })) return false;
      this.#moveAside(paths);
      return true;
    } finally {
      closeSync(file);
    }
  }

  #moveAside(paths: readonly string[]): void {
    mkdirSync(this.#trash, { recursive: true, mode: 0o700 });
    for (const [number, path] of paths.entries()) {
      try {
        renameSync(path, join(this.#trash, `${number}`));
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
      }
    }
  }
}

/** Whether a step uses a cache mount: one that was put aside is held under its old name. */
function isLocked(path = ""): boolean {
  const file = openIfThere(path);
  if (file === undefined) return false;
  try {
    return !flock(file, "exclusive", { wait: false });
  } finally {
    closeSync(file);
  }
}
