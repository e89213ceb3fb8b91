// The space that a store may take, as those see it who read and write there. Who keeps count is plugged in by
// `builder/engine.ts`; where nobody does (another layout, a test), everything is free.

/**
 * What a store holds that can go by itself, as `<kind>/<name>`: `blob/<hex>`, `layer/<id>`, `mount/<name>`,
 * `git/<remote>`, `http/<hex>`.
 */
export type ItemName = `${"blob" | "layer" | "mount" | "git" | "http"}/${string}`;

/** Bytes that somebody is about to write. Disposed of once they are an item of the store, or will not be. */
export type Reservation = Disposable;

/** Keeps count of a store, and holds what this process uses. */
export interface StoreSpace {
  /**
   * Before items are looked for: what is there from then on stays until this process is done with the store. To look
   * first and hold afterwards would be too late.
   */
  hold(...items: readonly ItemName[]): void;
  /** Before bytes are written. Throws `STORE` when they would pass the store's ceiling and nothing can make room. */
  reserve(bytes: number): Promise<Reservation>;
  /** An item is there from now on, or has another size: so many bytes, about; without them it is measured at the end. */
  landed(item: ItemName, bytes?: number): void;
  /**
   * Takes something out of an item that nobody uses, this process not either: `take` moves it away and says how many bytes
   * are left. Gives those it took; undefined when somebody uses the item.
   */
  takeFrom(item: ItemName, take: () => number): number | undefined;
  /** What an item that is held is, for people. */
  label(item: ItemName, text: string): void;
}

/** Nobody keeps count, so nobody knows what is in use. */
export const FREE_SPACE: StoreSpace = {
  hold: () => undefined,
  reserve: () => Promise.resolve({ [Symbol.dispose]: () => undefined }),
  landed: () => undefined,
  takeFrom: () => undefined,
  label: () => undefined,
};

/** What so many bytes take of a disk, about: whole blocks. */
export function onDisk(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The same of a file or folder of a tree: at least one block. */
export function fileOnDisk(bytes: number): number {
  return onDisk(Math.max(1, bytes));
}

/** Of nearly every file system. */
const BLOCK_BYTES = 4096;
