// The flags of `tsbuild du` and `tsbuild prune`: buildx's.

import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { HOST_FLAGS } from "./host-flags.ts";

// prettier-ignore
export const DU_FLAGS: readonly Flag[] = [
  { name: "filter", kind: "list", value: "FILTER", state: "works", help: "Only what passes: type=exec.cachemount, id~=^ab, inuse, mutable, shared, until=24h …" },
  { name: "format", kind: "string", value: "FORMAT", state: "works", help: "\"table\", \"pretty\", \"json\", or a template: 'table {{.ID}}\\t{{.Size}}'" },
  { name: "json", kind: "boolean", state: "works", help: "One JSON object: the items with sizes in bytes, and the sums" },
  { name: "verbose", kind: "boolean", state: "works", help: "Short for --format=pretty" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const PRUNE_FLAGS: readonly Flag[] = [
  { name: "all", short: "a", kind: "boolean", state: "works", help: "Also what is internal (states of failed steps, lookup tables), and the cache's part of what images share" },
  { name: "filter", kind: "list", value: "FILTER", state: "works", help: "Only what passes: until=24h (unused for so long), type=exec.cachemount, id~=^ab, inuse, mutable, shared …" },
  { name: "force", short: "f", kind: "boolean", state: "works", help: "Do not ask" },
  { name: "keep-storage", kind: "string", value: "BYTES", state: "works", help: "The same as --reserved-space" },
  { name: "max-used-space", kind: "string", value: "BYTES", state: "works", help: "Most that is left to the store" },
  { name: "min-free-space", kind: "string", value: "BYTES", state: "works", help: "What is to be free on the disk afterwards" },
  { name: "reserved-space", kind: "string", value: "BYTES", state: "works", help: "What is always left to the store" },
  { name: "verbose", kind: "boolean", state: "works", help: "Say all there is of what goes" },
  ...HOST_FLAGS,
  ...GLOBAL_FLAGS,
];
