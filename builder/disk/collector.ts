// Garbage collection: by rules (after builds, and for `prune`), and to make room below the ceiling.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/errors.ts";
import type { ItemName } from "../core/space.ts";
import type { StoreParts } from "./inventory.ts";
import { readInventory, RUNNING } from "./inventory.ts";
import type { DiskItem, Inventory } from "./items.ts";
import { Remover } from "./remove.ts";
import type { DiskRule } from "./settings.ts";
import { bytesToKeep, diskSpace } from "./settings.ts";
import { TreeSize } from "./tree-size.ts";

export interface CollectorOptions extends StoreParts {
  readonly now: () => number;
  /** Whether this process may remove files of other ids. */
  readonly privileged: boolean;
}

export interface CollectOptions {
  /** Told of what has gone. */
  readonly onRemoved?: (item: DiskItem) => void;
  readonly signal?: AbortSignal;
}

/** Collects the garbage of one store. */
export class Collector {
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Writes down what items take that are whole now. */
  measure(items: readonly ItemName[]): void {
    const size = new TreeSize();
    for (const item of items) {
      const path = join(this.#options.root, "tsbuild", FOLDERS[item.slice(0, item.indexOf("/"))] ?? "", nameIn(item));
      if (existsSync(path)) this.#options.ledger.landed(item, size.tree(path), true);
    }
  }

  /** What the store holds. The ledger has the same figures afterwards. */
  look(exact: boolean): Inventory {
    return this.#look(exact).inventory;
  }

  /** Whether there is something that only a privileged process may remove. */
  hasOthersFiles(): boolean {
    return this.look(false).items.some((item) => this.#isOthers(item));
  }

  /** Applies rules one after the other; how many bytes are free by it. */
  collect(rules: readonly DiskRule[], options: CollectOptions = {}): number {
    const { inventory, remover } = this.#look(false);
    const gone = new Set<DiskItem>();
    let freed = 0;
    for (const rule of rules) {
      const isMine = (item: DiskItem): boolean => rule.filter?.(item) !== false;
      // A rule for some kinds counts those; one for all counts the whole store.
      const counted = inventory.items.filter((item) => isMine(item) && !gone.has(item));
      const used =
        rule.filter === undefined ? inventory.totalBytes - freed : counted.reduce((sum, { bytes }) => sum + bytes, 0);
      const keep = bytesToKeep(rule, used, diskSpace(this.#options.root));
      let left = used;
      for (const item of counted) {
        options.signal?.throwIfAborted();
        if (keep !== undefined && left <= keep) break;
        if (!mayGo(item, rule, this.#options.now()) || this.#isOthers(item)) continue;
        const bytes = remover.remove(item);
        if (bytes === undefined) continue;
        gone.add(item);
        left -= bytes;
        freed += bytes;
        options.onRemoved?.(item);
      }
    }
    if (gone.size > 0) this.#look(false);
    this.#options.ledger.setCounter("collected", this.#options.now());
    return freed;
  }

  /** Lets go what was used longest ago until so many bytes more find place below a ceiling, and some air. Says whether they do. */
  makeRoom(ceiling: number, bytes: number): boolean {
    const { ledger } = this.#options;
    const { inventory, remover } = this.#look(false);
    let used = inventory.totalBytes + ledger.reservedBytes() + bytes;
    if (used <= ceiling) return true;
    for (const item of inventory.items) {
      if (used <= ceiling * AIR) break;
      if (item.inUse || this.#isOthers(item)) continue;
      used -= remover.remove(item) ?? 0;
    }
    this.#look(false);
    return used <= ceiling;
  }

  /** Why something cannot be written: the limit, and what holds the space. */
  ceilingError(ceiling: number, bytes: number): BuildError {
    const { items, images, others, totalBytes } = this.look(false);
    const reserved = this.#options.ledger.reservedBytes();
    const sum = (list: readonly { readonly bytes: number }[]): number => list.reduce((all, one) => all + one.bytes, 0);
    const parts = [
      [`images with a name (tsbuild rmi takes names away)`, sum(images)],
      ["what running builds use", sum(items.filter(({ inUse }) => inUse))],
      ["what they are about to write", reserved],
      ["cache that cannot be removed now", sum(items.filter(({ inUse }) => !inUse))],
      [`what ${RUNNING} have written`, others.get(RUNNING) ?? 0],
      ["the store's own records", [...others].reduce((all, [what, one]) => all + (what === RUNNING ? 0 : one), 0)],
    ] as const;
    const said = parts.filter(([, size]) => size > 0).map(([what, size]) => `${megabytes(size)} ${what}`);
    return new BuildError(
      "STORE",
      `the store in "${this.#options.root}" may take ${megabytes(ceiling)}; it takes ${megabytes(totalBytes)}, and ${megabytes(bytes)} more are needed: ${said.join(", ")}`,
      { hint: "take images away, wait for the other builds, or raise max-used-space (docs/manual.md, Disk space)" },
    );
  }

  #look(exact: boolean): { readonly inventory: Inventory; readonly remover: Remover } {
    const { ledger, now } = this.#options;
    const floor = ledger.floor();
    const inventory = readInventory(this.#options, { floor, exact });
    ledger.settle(inventory.account.items, inventory.account.otherBytes);
    return { inventory, remover: new Remover(this.#options, inventory, floor, now()) };
  }

  /** A layer's directory has files of ids that an unprivileged process may not remove. */
  #isOthers({ kind, paths }: DiskItem): boolean {
    return kind === "layer" && !this.#options.privileged && existsSync(join(paths[0] ?? "", "fs"));
  }
}

/** Room is made somewhat larger than asked for, or the next one would have to make some again. */
const AIR = 0.95;

const FOLDERS: Readonly<Record<string, string>> = {
  layer: "layers",
  mount: "mounts",
  git: "git",
  http: "http/blobs/sha256",
};

function nameIn(item: ItemName): string {
  return item.slice(item.indexOf("/") + 1);
}

/** BuildKit (cache/manager.go, pruneOnce): without `all`, what is internal and what an image shares stays. */
function mayGo(item: DiskItem, rule: DiskRule, nowMs: number): boolean {
  if (item.inUse) return false;
  if (!rule.all && (item.type === "internal" || item.type === "frontend" || item.shared)) return false;
  return rule.keepMs === 0 || nowMs - item.usedMs > rule.keepMs;
}

function megabytes(bytes: number): string {
  return bytes < 10e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
