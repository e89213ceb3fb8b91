// The files of leases (ledger.ts): one a process, named by its number, with a lock of the kernel on it as long as it lives.

import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type KernelLock, lockless, tryLock } from "./kernel-lock.ts";

/** A process's own lease. */
export interface Lease {
  readonly number: number;
  readonly lock: KernelLock;
  /** Whether it uses everything. */
  isAll: boolean;
}

/** A lease as others see it. */
type SeenLease = Pick<Lease, "number" | "isAll">;

/** The leases of one store. */
export class LeaseFiles {
  readonly #directory: string;

  /** The folder of their files, which is there. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Makes the file of a lease that nobody has. Throws `STORE` where there are no locks. */
  take(number: number): Lease {
    const path = this.#path({ number, isAll: false });
    try {
      const lock = tryLock(path);
      if (lock !== undefined) return { number, lock, isAll: false };
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
    // A new file that nobody else knows: who says "busy" has no locks at all (fcntl(2), ENOLCK).
    throw lockless(this.#directory);
  }

  /** Gives a lease back. */
  end(lease: Lease): void {
    rmSync(this.#path(lease), { force: true });
    lease.lock[Symbol.dispose]();
  }

  /** Shows others that this process uses everything: the name of a file can change on a full disk. */
  setAll(lease: Lease): void {
    if (lease.isAll) return;
    renameSync(this.#path(lease), this.#path({ ...lease, isAll: true }));
    lease.isAll = true;
  }

  /** Takes the file of a dead process away; false when it lives. */
  endIfDead(lease: SeenLease): boolean {
    const path = this.#path(lease);
    const lock = tryLock(path);
    if (lock === undefined) return false;
    rmSync(path, { force: true });
    lock[Symbol.dispose]();
    return true;
  }

  /** All there are, also those of the dead. */
  list(): SeenLease[] {
    return readdirSync(this.#directory).flatMap((file) => {
      const match = /^(\d+)(\.all)?$/.exec(file);
      return match === null ? [] : [{ number: Number(match[1]), isAll: match[2] !== undefined }];
    });
  }

  #path({ number, isAll }: SeenLease): string {
    return join(this.#directory, isAll ? `${number}.all` : `${number}`);
  }
}
