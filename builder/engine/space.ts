// Opens the count of a store for one process: its lease, its limits, and who collects garbage.

import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { Ledger } from "../cache/ledger.ts";
import { asBuildError } from "../core/errors.ts";
import { SpaceKeeper } from "../disk/keeper.ts";
import type { DiskSettings } from "../disk/settings.ts";
import { DEFAULT_SETTINGS } from "../disk/settings.ts";
import { makeDirectories } from "../store/directories.ts";
import { explained } from "../store/layout.ts";

export interface SpaceOptions {
  readonly root: string;
  readonly database: DatabaseSync;
  readonly disk?: DiskSettings | undefined;
  readonly privileged: boolean;
  readonly onFault: (fault: string) => void;
}

/** Takes a lease. Disposing what it gives collects garbage where something was written, and ends the lease. Throws `STORE`. */
export async function openSpace(options: SpaceOptions): Promise<SpaceKeeper & AsyncDisposable> {
  const { root, database, privileged, onFault } = options;
  const leases = join(root, "tsbuild/leases");
  const ledger = await explained(root, "STORE", async () => {
    await makeDirectories(leases);
    return new Ledger(database, leases, Date.now);
  });
  const keeper = new SpaceKeeper({
    root,
    ledger,
    settings: options.disk ?? DEFAULT_SETTINGS,
    collector: async () => {
      const { Collector } = await import("../disk/collector.ts");
      return new Collector({ root, database, ledger, privileged, now: Date.now });
    },
    pause: async (folders) => (await import("../executor/pause-steps.ts")).pauseSteps(folders),
  });
  const { someoneDied } = ledger.takeLease();
  try {
    await keeper.begin(someoneDied);
  } catch (error) {
    onFault(`no garbage was collected: ${asBuildError(error).message}`);
  }
  return Object.assign(keeper, {
    [Symbol.asyncDispose]: async () => {
      try {
        await keeper.end(Date.now());
      } catch (error) {
        onFault(`no garbage was collected: ${asBuildError(error).message}`);
      } finally {
        ledger.endLease();
      }
    },
  });
}
