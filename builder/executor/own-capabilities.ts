// What this process may do, by capabilities(7).

import { readFileSync } from "node:fs";

export interface OwnCapabilities {
  readonly effective: bigint;
  /** What it may hand on: permitted, and in the bounding set. */
  readonly permitted: bigint;
}

let known: OwnCapabilities | undefined;

/** The bit masks, read once: this process never gives any up. */
export function ownCapabilities(): OwnCapabilities {
  if (known !== undefined) return known;
  const status = readFileSync("/proc/self/status", "utf8");
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0"}`);
  known = { effective: mask("CapEff"), permitted: mask("CapBnd") & mask("CapPrm") };
  return known;
}
