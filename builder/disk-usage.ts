// What a store takes of the disk, and what may go: `du` and `prune`.

import { join } from "node:path";
import type { StoreDatabase } from "./cache/database.ts";
import { openDatabase } from "./cache/database.ts";
import { Ledger } from "./cache/ledger.ts";
import { NamespaceNeeded } from "./core/system/namespace.ts";
import { Collector } from "./disk/collector.ts";
import { compileFilters } from "./disk/filter.ts";
import type { DiskItem, Inventory } from "./disk/items.ts";
import type { Amount } from "./disk/settings.ts";
import { ruleOf } from "./disk-settings.ts";
import { isPrivileged } from "./executor/rights.ts";
import { makeDirectories } from "./store/directories.ts";
import { explained } from "./store/layout.ts";
import { prepareStore } from "./store/open.ts";

export type { DiskItem } from "./disk/items.ts";

/** What a store holds: the items that pass the filters, and all of it in sums. */
export interface DiskUsage {
  readonly items: readonly DiskItem[];
  readonly store: Inventory;
}

/** What is to go, in buildx's words. Amounts of 0 bytes say nothing. */
export interface PruneRequest {
  readonly root: string;
  readonly all: boolean;
  /** In the language of `disk/filter.ts`. */
  readonly filters: readonly string[];
  /** Nothing that was used within so many ms. */
  readonly keepMs: number;
  readonly reserved: Amount;
  readonly maxUsed: Amount;
  readonly minFree: Amount;
  readonly onRemoved: (item: DiskItem) => void;
}

/** Measures a store as du(1) does. Throws `USAGE` for a filter, `NamespaceNeeded` where files belong to other ids of this user. */
export async function diskUsage(root: string, filters: readonly string[]): Promise<DiskUsage> {
  const isWanted = compileFilters(filters);
  using store = await openDisk(root);
  const inventory = store.collector.look(true);
  return { items: inventory.items.filter(isWanted), store: inventory };
}

/** What a store takes by its own account, in bytes: nothing is measured. */
export async function accountedBytes(root: string): Promise<number> {
  using store = await openDisk(root);
  return store.ledger.usedBytes();
}

/** Takes away what nobody uses; the bytes that are free by it. Images with a name stay, whatever is asked for. */
export async function prune(request: PruneRequest, signal: AbortSignal): Promise<number> {
  const rule = ruleOf(request);
  using store = await openDisk(request.root);
  // Files of steps belong to ids that only a namespace of this user has.
  if (!isPrivileged() && store.collector.hasOthersFiles()) throw new NamespaceNeeded("removing a step's files");
  return store.collector.collect([rule], { onRemoved: request.onRemoved, signal });
}

/** The parts that look after the disk. */
export interface OpenDisk extends Disposable {
  readonly database: StoreDatabase["database"];
  readonly ledger: Ledger;
  readonly collector: Collector;
  /** What was mended in the layout, as a sentence. */
  readonly mended: string | undefined;
}

/** A store without a lease: only looked at, or cleared. */
export async function openDisk(root: string): Promise<OpenDisk> {
  const mended = await prepareStore(root);
  const own = join(root, "tsbuild");
  const leases = join(own, "leases");
  await explained(root, "STORE", () => makeDirectories(leases));
  const { database } = openDatabase(join(own, "cache.db"));
  const ledger = new Ledger(database, leases, Date.now);
  const collector = new Collector({ root, database, ledger, privileged: isPrivileged(), now: Date.now });
  return {
    database,
    ledger,
    collector,
    mended,
    [Symbol.dispose]: () => {
      if (database.isOpen) database.close();
    },
  };
}
