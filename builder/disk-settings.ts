// The door to what a store may take of the disk: its settings, and how a rule is made of words.

import { compileFilters } from "./disk/filter.ts";
import type { DiskRule } from "./disk/settings.ts";

export type { Amount, DiskRule, DiskSettings } from "./disk/settings.ts";
export { DEFAULT_SETTINGS } from "./disk/settings.ts";

/** A rule of garbage collection; amounts that are not said say nothing. Throws `USAGE` for a filter. */
export function ruleOf(
  rule: Pick<DiskRule, "all" | "keepMs"> &
    Partial<Pick<DiskRule, "reserved" | "maxUsed" | "minFree">> & { readonly filters: readonly string[] },
): DiskRule {
  const { filters, ...rest } = rule;
  const none = { bytes: 0 };
  return {
    reserved: none,
    maxUsed: none,
    minFree: none,
    ...rest,
    ...(filters.length === 0 ? {} : { filter: compileFilters(filters) }),
  };
}
