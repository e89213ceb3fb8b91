// What a store holds, as its processes tell each other: which items there are, how much of the disk they take, who uses
// them, and what is about to be written.
//
// A process that works with a store has a *lease*: a number that only grows, and a file of that name with a lock of the
// kernel on it. What it uses it marks with its number, before it looks whether it is there. Whoever collects garbage takes
// the lowest number of all living leases and leave alone what has that number or a higher one. So nothing depends on a
// clock or on a pid, and a lease ends with its process, however that ends.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BuildError } from "../core/errors.ts";
import type { ItemName } from "../core/space.ts";
import { isUnwritable, transaction } from "./database.ts";
import { type Lease, LeaseFiles } from "./lease-files.ts";

/** What is known of an item. Times in ms since the epoch. */
export interface LedgerItem {
  readonly name: ItemName;
  readonly bytes: number;
  /** Whether `bytes` is what was written or measured of the whole item; else it may have changed since. */
  readonly isMeasured: boolean;
  /** Of the last process that used it: grows with every process, whatever the clock does. */
  readonly lease: number;
  readonly createdMs: number;
  readonly usedMs: number;
  readonly uses: number;
  /** What it is, for people; where it does not show from anything else. */
  readonly label?: string;
}

/** Items of this and later leases are in use; "all" while a process cannot say what it uses. */
export type LeaseFloor = number | "all";

/** The ledger of one store. */
export class Ledger {
  readonly #database: DatabaseSync;
  readonly #leases: LeaseFiles;
  readonly #now: () => number;
  readonly #held = new Set<ItemName>();
  readonly #hold: StatementSync;
  #lease: Lease | undefined;

  /** `leases` is the folder of their files, which is there. */
  constructor(database: DatabaseSync, leases: string, now: () => number) {
    this.#database = database;
    this.#leases = new LeaseFiles(leases);
    this.#now = now;
    this.#hold = database.prepare(
      `INSERT INTO items (name, lease, created, used, uses) SELECT value, ?1, ?2, ?2, 1 FROM json_each(?3) WHERE true
       ON CONFLICT (name) DO UPDATE SET lease = max(lease, excluded.lease), used = excluded.used, uses = uses + 1`,
    );
  }

  /** From here on what this process holds stays. Says whether a process has died with a lease: then the account may be wrong. */
  takeLease(): { readonly someoneDied: boolean } {
    return transaction(this.#database, () => {
      const dead = this.#dropDead();
      const number = this.counter("lease") + 1;
      const lease = this.#leases.take(number);
      // Before the number counts: who sees it sees the lock.
      this.setCounter("lease", number);
      this.#lease = lease;
      return { someoneDied: dead > 0 };
    });
  }

  /** Gives back the lease, and what was reserved. */
  endLease(): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    try {
      this.#database.prepare("DELETE FROM reserved WHERE lease = ?").run(lease.number);
    } catch (error) {
      if (!isUnwritable(error)) throw error; // it counts for nothing once the lock is gone
    }
    this.#leases.end(lease);
  }

  /** Marks items as used by this process; call before looking for them. */
  hold(...items: readonly ItemName[]): void {
    const fresh = items.filter((item) => !this.#held.has(item));
    if (fresh.length === 0 || this.#lease === undefined) return;
    try {
      this.#hold.run(this.#lease.number, this.#now(), JSON.stringify(fresh));
    } catch (error) {
      if (!isUnwritable(error)) throw error;
      this.#holdAll();
    }
    for (const item of fresh) this.#held.add(item);
  }

  /** Whether this process itself uses an item. */
  holds(item: ItemName): boolean {
    return this.#held.has(item);
  }

  /** Writes down what an item takes. */
  landed(item: ItemName, bytes: number, isMeasured: boolean): void {
    const now = this.#now();
    this.#unlessFull(() =>
      this.#database
        .prepare(
          `INSERT INTO items (name, bytes, measured, lease, created, used, uses) VALUES (?, ?, ?, ?, ?, ?, 1)
           ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes, measured = excluded.measured`,
        )
        .run(item, bytes, isMeasured ? 1 : 0, this.#lease?.number ?? 0, now, now),
    );
  }

  /** Says what an item is that is held. */
  setLabel(item: ItemName, label: string): void {
    this.#unlessFull(() => this.#database.prepare("UPDATE items SET label = ? WHERE name = ?").run(label, item));
  }

  /** Takes so many bytes from what is free below `ceiling`; false when they are not free. Negative ones are given back. */
  tryReserve(bytes: number, ceiling: number): boolean {
    const lease = this.#lease;
    if (lease === undefined) throw new BuildError("INTERNAL", "space is reserved without a lease");
    return transaction(this.#database, () => {
      if (bytes > 0 && this.usedBytes() + this.reservedBytes() + bytes > ceiling) return false;
      this.#database
        .prepare(
          "INSERT INTO reserved (lease, bytes) VALUES (?1, max(?2, 0)) ON CONFLICT (lease) DO UPDATE SET bytes = max(bytes + ?2, 0)",
        )
        .run(lease.number, bytes);
      return true;
    });
  }

  /** What items take, by the account. */
  usedBytes(): number {
    return this.#sum("SELECT sum(bytes) AS sum FROM items") + this.counter("other");
  }

  /** What living processes are about to write. */
  reservedBytes(): number {
    return this.#sum("SELECT sum(bytes) AS sum FROM reserved");
  }

  items(): Map<ItemName, LedgerItem> {
    const rows = this.#database.prepare("SELECT * FROM items").all();
    return new Map(
      rows.map((row) => {
        const name = String(row["name"]) as ItemName; // written by `hold` and `landed`
        const item = {
          name,
          bytes: Number(row["bytes"]),
          isMeasured: row["measured"] === 1,
          lease: Number(row["lease"]),
          createdMs: Number(row["created"]),
          usedMs: Number(row["used"]),
          uses: Number(row["uses"]),
          ...(row["label"] === null ? {} : { label: String(row["label"]) }),
        };
        return [name, item];
      }),
    );
  }

  /** What is in use by others, or by a process that begins after this call. Ask before looking at what names what. */
  floor(): LeaseFloor {
    return transaction(this.#database, () => {
      this.#dropDead();
      const living = this.#leases.list().filter(({ number }) => number !== this.#lease?.number);
      if (living.some(({ isAll }) => isAll)) return "all";
      return Math.min(this.counter("lease") + 1, ...living.map(({ number }) => number));
    });
  }

  /** Whether another process has a lease. */
  isUsed(): boolean {
    return this.#leases.list().some(({ number }) => number !== this.#lease?.number);
  }

  /**
   * Takes items away unless one of them is in use by somebody: `remove` moves their files aside, during which nobody can
   * begin to use them. What names them is forgotten before that, and for good: files go at once, a transaction of a process
   * that is killed does not count, and then there would be records of what is gone. False when one is in use.
   */
  removeUnlessHeld(
    items: readonly ItemName[],
    floor: LeaseFloor,
    { forget, remove }: { readonly forget?: (() => void) | undefined; readonly remove: () => void },
  ): boolean {
    if (forget !== undefined && !this.#unlessHeld(items, floor, () => this.#unlessFull(forget))) return false;
    const drop = "DELETE FROM items WHERE name IN (SELECT value FROM json_each(?))";
    return this.#unlessHeld(items, floor, () => {
      remove();
      this.#unlessFull(() => this.#database.prepare(drop).run(JSON.stringify(items)));
    });
  }

  /** Takes something out of an item in the same way, and gives its bytes: `take` says how many are left. */
  takeUnlessHeld(item: ItemName, floor: LeaseFloor, take: () => number): number | undefined {
    let taken = 0;
    const isTaken = this.#unlessHeld([item], floor, () => {
      const before = Number(this.#database.prepare("SELECT bytes FROM items WHERE name = ?").get(item)?.["bytes"] ?? 0);
      const left = take();
      this.#unlessFull(() => this.#database.prepare("UPDATE items SET bytes = ? WHERE name = ?").run(left, item));
      taken = Math.max(0, before - left);
    });
    return isTaken ? taken : undefined;
  }

  /** Whether one of some items is in use by somebody. */
  isInUse(items: readonly ItemName[], floor: LeaseFloor): boolean {
    if (floor === "all" || items.some((item) => this.#held.has(item))) return true;
    const row = this.#database
      .prepare("SELECT count(*) AS count FROM items WHERE lease >= ? AND name IN (SELECT value FROM json_each(?))")
      .get(floor, JSON.stringify(items));
    return row?.["count"] !== 0;
  }

  #unlessHeld(items: readonly ItemName[], floor: LeaseFloor, body: () => void): boolean {
    if (floor === "all") return false;
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      if (this.isInUse(items, floor)) return false;
      body();
      return true;
    } finally {
      if (this.#database.isTransaction) this.#unlessFull(() => this.#database.exec("COMMIT"));
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    }
  }

  counter(name: "lease" | "other" | "stale" | "collected"): number {
    const row = this.#database.prepare("SELECT value FROM counters WHERE name = ?").get(name);
    return Number(row?.["value"] ?? 0);
  }

  setCounter(name: "lease" | "other" | "stale" | "collected", value: number): void {
    this.#database.prepare("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)").run(name, value);
  }

  /** Sets what all items take: those that are not named are forgotten, unless somebody uses them. */
  settle(
    items: ReadonlyMap<ItemName, { readonly bytes: number; readonly changedMs: number }>,
    otherBytes: number,
  ): void {
    this.#unlessFull(() =>
      transaction(this.#database, () => {
        const put = this.#database.prepare(
          `INSERT INTO items (name, bytes, measured, created, used) VALUES (?1, ?2, 1, ?3, ?3)
           ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes, measured = 1`,
        );
        for (const [name, { bytes, changedMs }] of items) put.run(name, bytes, Math.round(changedMs));
        const lowest = Math.min(this.counter("lease") + 1, ...this.#leases.list().map(({ number }) => number));
        const gone = [...this.items().values()].filter(({ name, lease }) => !items.has(name) && lease < lowest);
        const drop = this.#database.prepare("DELETE FROM items WHERE name = ?");
        for (const { name } of gone) drop.run(name);
        // The clock has gone back since: what was used then grows old from now on.
        this.#database.prepare("UPDATE items SET used = ?1 WHERE used > ?1").run(Math.round(this.#now()));
        this.setCounter("other", otherBytes);
        this.setCounter("stale", 0);
      }),
    );
  }

  /** A process that cannot write down what it uses has all of it: the name of a file can change on a full disk. */
  #holdAll(): void {
    const lease = this.#lease;
    if (lease !== undefined) this.#leases.setAll(lease);
  }

  /** Takes away what dead processes left; how many there were. */
  #dropDead(): number {
    let dead = 0;
    for (const lease of this.#leases.list()) {
      const { number } = lease;
      if (number === this.#lease?.number || !this.#leases.endIfDead(lease)) continue;
      this.#unlessFull(() => {
        this.#database.prepare("DELETE FROM reserved WHERE lease = ?").run(number);
        this.#database.prepare("UPDATE items SET measured = 0 WHERE lease = ?").run(number);
        this.setCounter("stale", 1);
      });
      dead++;
    }
    return dead;
  }

  #sum(query: string): number {
    return Number(this.#database.prepare(query).get()?.["sum"] ?? 0);
  }

  /** On a full disk what was moved away is not forgotten at once; then it is a miss. */
  #unlessFull(write: () => unknown): void {
    try {
      write();
    } catch (error) {
      if (!isUnwritable(error)) throw error;
    }
  }
}
