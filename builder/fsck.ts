// Looks for damage in a store, and mends it.

import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Fault } from "./disk/fsck.ts";
import { checkStore } from "./disk/fsck.ts";
import { openDisk } from "./disk-usage.ts";
import { BuildError } from "./core/errors.ts";
import { makeDirectories } from "./store/directories.ts";
import { mendLayout } from "./store/layout.ts";

export type { Fault } from "./disk/fsck.ts";

export interface FsckRequest {
  readonly root: string;
  readonly repair: boolean;
  readonly full: boolean;
}

/** All that is wrong. Throws `STORE` when the store cannot be looked at, `NamespaceNeeded` where files belong to other ids. */
export async function fsck({ root, repair, full }: FsckRequest, signal: AbortSignal): Promise<Fault[]> {
  const faults: Fault[] = [];
  const before = join(root, "tsbuild/cache.db.damaged");
  const hadDamaged = existsSync(before);
  if (await mendLayout(root, join(root, "tsbuild"))) faults.push(LAYOUT_MENDED);
  using store = await openDisk(root);
  if (store.mended !== undefined)
    faults.push({ kind: "image", what: store.mended, mend: "written anew", isMended: true });
  for (const folder of ["tmp", "work"]) await makeDirectories(join(root, "tsbuild", folder));
  if (!hadDamaged && existsSync(before)) faults.push(PUT_ASIDE);
  const check = store.database.prepare("PRAGMA quick_check(1)").get();
  if (check?.["quick_check"] !== "ok") {
    // Every page of it may be wrong: what follows would be guesswork.
    if (!repair) return [...faults, { ...PUT_ASIDE, isMended: false }];
    if (store.ledger.floor() === "all" || store.ledger.isUsed()) {
      throw new BuildError("STORE", "the cache records are damaged, and another process uses them", {
        hint: "wait until it has ended",
      });
    }
    store[Symbol.dispose]();
    renameSync(join(root, "tsbuild/cache.db"), before);
    for (const ending of ["-wal", "-shm"]) rmSync(join(root, `tsbuild/cache.db${ending}`), { force: true });
    return [PUT_ASIDE, ...(await fsck({ root, repair, full }, signal))];
  }
  const { database, ledger, collector } = store;
  faults.push(...(await checkStore({ root, database, ledger, repair, full, signal })));
  const counted = ledger.usedBytes();
  const isAccountStale = ledger.counter("stale") !== 0;
  if (faults.length === 0 || repair) {
    const { totalBytes } = collector.look(true);
    if (isAccountStale && counted !== totalBytes) {
      const what = `the account says ${counted} bytes, the disk ${totalBytes}: a process was killed`;
      faults.push({ kind: "account", what, mend: "counted anew", isMended: true });
    }
  }
  return faults;
}

const LAYOUT_MENDED: Fault = {
  kind: "image",
  what: '"oci-layout" is damaged',
  mend: "written anew",
  isMended: true,
};

const PUT_ASIDE: Fault = {
  kind: "record",
  what: "the cache records (cache.db) are damaged",
  mend: "put aside as cache.db.damaged; steps run again",
  isMended: true,
};
