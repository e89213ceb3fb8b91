// The sum of a store while it is looked through: each thing with what the ledger knows of it, and what is nobody's item.

import type { Ledger, LeaseFloor } from "../cache/ledger.ts";
import type { ItemName } from "../core/space.ts";
import type { DiskItem, Inventory } from "./items.ts";
import { statIfThere } from "./tree-size.ts";

/** What is read of an item; the rest follows from the ledger. */
export type Found = Pick<DiskItem, "id" | "kind" | "type" | "paths" | "bytes"> &
  Partial<Omit<DiskItem, "inUse" | "lease" | "usedMs" | "uses">>;

/** Things that go without anybody's asking are no items of the ledger. */
export const UNNAMED = "unnamed items";
/** Bytes that are in the account as blobs already. */
export const DAMAGED = "blobs of a damaged image";

export class Tally {
  readonly #ledger: Ledger;
  readonly #floor: LeaseFloor;
  readonly #known: ReturnType<Ledger["items"]>;
  readonly #items: DiskItem[] = [];
  readonly #others = new Map<string, number>();
  /** What the ledger is to know of its items. */
  readonly #account = new Map<ItemName, { readonly bytes: number; readonly changedMs: number }>();

  /** `floor` says what is in use by others; see `Ledger.floor`. */
  constructor(ledger: Ledger, floor: LeaseFloor) {
    this.#ledger = ledger;
    this.#floor = floor;
    this.#known = ledger.items();
  }

  /** What an item was measured to take, and nobody has used it to write since (`StoreSpace.landed`). */
  measured(item: ItemName): number | undefined {
    const known = this.#known.get(item);
    return known?.isMeasured === true ? known.bytes : undefined;
  }

  /** What the ledger is to know of an item; `add` may show it as a part of another. */
  account(item: ItemName, bytes: number, changedMs: number): void {
    this.#account.set(item, { bytes, changedMs });
  }

  /** What is shown by a word alone. */
  other(what: string, bytes: number): void {
    this.#others.set(what, (this.#others.get(what) ?? 0) + bytes);
  }

  add(found: Found): void {
    const known = (found.locks ?? []).flatMap((lock) => this.#known.get(lock) ?? []);
    const [own] = known;
    const lease = Math.max(0, ...known.map((item) => item.lease));
    const changedMs = found.createdMs ?? statIfThere(found.paths[0] ?? "")?.mtimeMs ?? 0;
    const isHeld =
      this.#floor === "all" || lease >= this.#floor || (found.locks ?? []).some((item) => this.#ledger.holds(item));
    this.#items.push({
      description: own?.label ?? found.kind,
      parents: [],
      shared: false,
      blobs: [],
      locks: [],
      depth: 0,
      mutable: false,
      createdMs: own?.createdMs ?? changedMs,
      ...found,
      inUse: isHeld && found.locks !== undefined,
      usedMs: own?.usedMs ?? changedMs,
      uses: own?.uses ?? 0,
      lease,
    });
  }

  /** The sum; nothing may be counted afterwards. */
  inventory(): Pick<Inventory, "items" | "others" | "totalBytes" | "account"> {
    const otherBytes = sum(this.#others.values()) - (this.#others.get(DAMAGED) ?? 0);
    const totalBytes = otherBytes + sum([...this.#account.values()].map(({ bytes }) => bytes));
    this.#others.delete(UNNAMED);
    return {
      items: this.#items.toSorted(byAge),
      others: this.#others,
      totalBytes,
      account: { items: this.#account, otherBytes },
    };
  }
}

/** What older processes used first; of one process, what stands on others before them. */
function byAge(a: DiskItem, b: DiskItem): number {
  return a.lease - b.lease || a.usedMs - b.usedMs || b.depth - a.depth || (a.id < b.id ? -1 : 1);
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, one) => total + one, 0);
}
