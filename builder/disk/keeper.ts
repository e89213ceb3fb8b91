// Keeps count of a store for one process: holds what it uses, takes the space for what it is about to write, and has room
// made where there is none. What collects garbage is loaded when there is some to collect.

import type { Ledger } from "../cache/ledger.ts";
import { BuildError, isDiskFull } from "../core/errors.ts";
import type { ItemName, Reservation, StoreSpace } from "../core/space.ts";
import type { Collector } from "./collector.ts";
import type { DiskSettings } from "./settings.ts";
import { bytesOf, bytesToKeep, diskSpace } from "./settings.ts";

export interface KeeperOptions {
  /** Of the store, absolute. */
  readonly root: string;
  readonly ledger: Ledger;
  readonly settings: DiskSettings;
  /** What makes room. */
  readonly collector: () => Promise<Collector>;
  /** Holds the steps that write below some folders still, until what it gives is disposed. */
  readonly pause: (folders: readonly string[]) => Promise<Disposable>;
}

/** One process's count. */
export class SpaceKeeper implements StoreSpace {
  readonly #options: KeeperOptions;
  readonly #ceiling: number;
  readonly #ahead: number;
  readonly #unmeasured = new Set<ItemName>();
  readonly #stop = new AbortController();
  #whyStopped: Promise<unknown> | undefined;
  #hasWritten = false;
  #collecting: Promise<boolean> | undefined;
  #watching: NodeJS.Timeout | undefined;
  #isLooking = false;
  /** What files that grow unannounced were seen to take, with some room ahead of them. */
  #growth = 0;
  #freeAtLook = Number.POSITIVE_INFINITY;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#ceiling = bytesOf(options.settings.ceiling, diskSpace(options.root));
    this.#ahead = Math.min(MOST_AHEAD_BYTES, this.#ceiling / 16);
  }

  /** Does work that is aborted when what it writes passes the ceiling; then throws the error that says so. */
  async within<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const passed = this.#stop.signal;
    try {
      return await work(AbortSignal.any([signal, passed]));
    } catch (error) {
      throw passed.aborted && !signal.aborted ? await this.#whyStopped : error;
    }
  }

  hold(...items: readonly ItemName[]): void {
    this.#options.ledger.hold(...items);
  }

  landed(item: ItemName, bytes?: number): void {
    this.#hasWritten = true;
    if (bytes !== undefined) this.#options.ledger.landed(item, bytes, true);
    else if (!item.startsWith("blob/")) this.#unmeasured.add(item);
  }

  takeFrom(item: ItemName, take: () => number): number | undefined {
    const { ledger } = this.#options;
    return ledger.takeUnlessHeld(item, ledger.floor(), take);
  }

  label(item: ItemName, text: string): void {
    this.#options.ledger.setLabel(item, text);
  }

  async reserve(bytes: number): Promise<Reservation> {
    const { ledger } = this.#options;
    if (bytes <= 0) return { [Symbol.dispose]: () => undefined };
    this.#hasWritten = true;
    if (!(await this.#tryReserve(bytes))) throw await this.#tooMuch(bytes);
    let isOpen = true;
    return {
      [Symbol.dispose]: () => {
        if (isOpen) ledger.tryReserve(-bytes, this.#ceiling);
        isOpen = false;
      },
    };
  }

  /** Before anything is done: a store that is over its ceiling, or of which the account may be wrong, is put in order. */
  async begin(someoneDied: boolean): Promise<void> {
    const { ledger } = this.#options;
    if (someoneDied || ledger.counter("stale") !== 0 || ledger.usedBytes() > this.#ceiling) await this.#makeRoom(0);
  }

  /** After something was written, or a day after the last time: garbage goes. */
  async end(nowMs: number): Promise<void> {
    clearInterval(this.#watching);
    const { ledger, collector, settings } = this.#options;
    if (this.#growth > 0) ledger.tryReserve(-this.#growth, this.#ceiling);
    this.#growth = 0;
    if (!this.#hasWritten && Math.abs(nowMs - ledger.counter("collected")) < DAY_MS) return;
    const collects = await collector();
    collects.measure([...this.#unmeasured]);
    this.#unmeasured.clear();
    if (isDue(ledger.usedBytes(), settings, this.#options.root, nowMs - ledger.counter("collected")))
      collects.collect(settings.rules);
  }

  /**
   * Has an eye on folders in which files grow unannounced (what a RUN writes, what is unpacked): what they take is
   * reserved as they grow, some way ahead. Past the ceiling the work is aborted.
   */
  watch(folders: readonly string[]): void {
    if (this.#watching !== undefined) return;
    this.#freeAtLook = diskSpace(this.#options.root).free;
    // For what is written until the first look; nothing goes for it.
    if (this.#options.ledger.tryReserve(this.#ahead, this.#ceiling)) this.#growth = this.#ahead;
    this.#watching = setInterval(() => void this.#look(folders), LOOK_MS).unref();
  }

  async #look(folders: readonly string[]): Promise<void> {
    const { free } = diskSpace(this.#options.root);
    // As long as the disk has lost less than is reserved ahead nothing can have passed the ceiling.
    if (this.#isLooking || this.#freeAtLook - free < this.#ahead / 2) return;
    this.#isLooking = true;
    try {
      const { TreeSize } = await import("./tree-size.ts");
      const size = new TreeSize();
      const seen = folders.reduce((sum, folder) => sum + size.tree(folder), 0);
      this.#freeAtLook = free;
      if (this.#growAtOnce(seen + this.#ahead)) return;
      // Room may have to be made, and that takes a look at the whole store.
      using _still = await this.#options.pause(folders);
      if (await this.#grow(seen + this.#ahead)) return;
      // What is ahead may not come; what is there counts.
      if (seen > this.#growth && !(await this.#grow(seen))) this.#stopWork(this.#tooMuch(seen - this.#growth));
    } catch (error) {
      // Where there is no room for the account either, whoever writes there meets that himself, and says it better.
      const isFull = isDiskFull(error) || diskSpace(this.#options.root).free < FULL_BYTES;
      if (!isFull) this.#stopWork(Promise.resolve(error));
    } finally {
      this.#isLooking = false;
    }
  }

  /** At once: what is wrong takes a look at the whole store, and meanwhile the step would write on. */
  #stopWork(why: Promise<unknown>): void {
    this.#whyStopped = why;
    why.catch(() => undefined);
    this.#stop.abort(new BuildError("STORE", `the store in "${this.#options.root}" has reached its limit`));
  }

  #growAtOnce(bytes: number): boolean {
    if (!this.#options.ledger.tryReserve(bytes - this.#growth, this.#ceiling)) return false;
    this.#grown(bytes);
    return true;
  }

  async #grow(bytes: number): Promise<boolean> {
    if (!(await this.#tryReserve(bytes - this.#growth))) return false;
    this.#grown(bytes);
    return true;
  }

  #grown(bytes: number): void {
    this.#growth = bytes;
    this.#hasWritten = true;
  }

  /** Makes room as long as there can be some: what was made may be taken by another build before it is reserved. */
  async #tryReserve(bytes: number): Promise<boolean> {
    const { ledger } = this.#options;
    for (let attempt = 1; !ledger.tryReserve(bytes, this.#ceiling); attempt++) {
      const isRoom = await this.#makeRoom(bytes);
      if (!isRoom || attempt === MOST_ATTEMPTS) return ledger.tryReserve(bytes, this.#ceiling);
    }
    return true;
  }

  /** One at a time. Says whether there was as much in the end. */
  async #makeRoom(bytes: number): Promise<boolean> {
    // What another one of this process makes room for is not what is needed here.
    while (this.#collecting !== undefined) await this.#collecting.catch(() => undefined);
    const collecting = this.#options.collector().then((collector) => collector.makeRoom(this.#ceiling, bytes));
    this.#collecting = collecting;
    try {
      return await collecting;
    } finally {
      this.#collecting = undefined;
    }
  }

  async #tooMuch(bytes: number): Promise<BuildError> {
    const collector = await this.#options.collector();
    return collector.ceilingError(this.#ceiling, bytes);
  }
}

/** Rules are about what is used too long ago, once a day, and about too much, at once. */
function isDue(used: number, { rules }: DiskSettings, root: string, sinceMs: number): boolean {
  if (rules.length > 0 && Math.abs(sinceMs) >= DAY_MS) return true;
  const disk = diskSpace(root);
  // A rule for some kinds is checked when something was written, since only then can it have come to apply.
  return rules.some((rule) => rule.filter !== undefined || used > (bytesToKeep(rule, used, disk) ?? 0));
}

const DAY_MS = 24 * 3600 * 1000;
/** Of the file system only, as long as little was written: that takes some microseconds. */
const LOOK_MS = 25;
/** A database that lacks a page or two speaks of its input and output, not of the disk. */
const FULL_BYTES = 1 << 20;
/** More builds than that do not take what was made for one of them, one after the other. */
const MOST_ATTEMPTS = 20;
const MOST_AHEAD_BYTES = 32 << 20;
