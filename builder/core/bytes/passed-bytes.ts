// Buffers that bulk data passed through. V8 sees only their small heads in its young generation, and lets 64 MiB of
// dead buffers gather before it looks; told how many bytes have passed, it looks in time, in a millisecond. Transfers
// then stay flat at a part of that, and are faster, since the memory they use again is still in the processor's cache.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { trimHeap } from "../system/syscall.ts";

const BYTES = 2 << 20;

let passed = 0;
let collect: ((options: GcOptions) => void) | undefined;

/** What V8's gc() takes; "last-resort" looks until nothing more is found. */
type GcOptions = { readonly type: "minor" } | { readonly type: "major"; readonly flavor: "last-resort" };

/** Tells that buffers of so many bytes were used and let go. */
export function notePassed(bytes: number): void {
  passed += bytes;
  if (passed < BYTES) return;
  passed = 0;
  collect ??= findCollector();
  collect({ type: "minor" });
}

/** Tells that what they were used for has ended: their memory goes back to the system. */
export function noteEnd(): void {
  if (collect === undefined) return; // too little to speak of
  collect({ type: "minor" });
  trimHeap();
}

/**
 * Looks for all that is of no use any more, and gives it back to the system: some 50 ms of work, for a process that has
 * nothing else to do.
 */
export function giveBackMemory(): void {
  collect ??= findCollector();
  collect({ type: "major", flavor: "last-resort" });
  trimHeap();
}

// The engine's own function, which Node only gives to those who ask for it by a flag.
function findCollector(): NonNullable<typeof collect> {
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  return typeof found === "function" ? (found as NonNullable<typeof collect>) : () => undefined; // V8's gc()
}
