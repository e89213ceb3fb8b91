// The door to what a store may take of the disk: its settings, and how a rule is made of words.

import { compileFilters } from "./disk/filter.ts";
import type { DiskRule, DiskSettings } from "./disk/settings.ts";
import { bytesOf, DEFAULT_SETTINGS, diskSpace } from "./disk/settings.ts";

export type { Amount, DiskRule, DiskSettings } from "./disk/settings.ts";
export { DEFAULT_SETTINGS } from "./disk/settings.ts";

/** The rules of the store at `root` with amounts in bytes; undefined settings are the defaults. */
export function rulesInBytes(root: string, settings: DiskSettings = DEFAULT_SETTINGS): readonly RuleInBytes[] {
  const space = diskSpace(root);
  return settings.rules.map(({ all, keepMs, reserved, maxUsed, minFree, filterTexts = [] }) => ({
    all,
    keepMs,
    filterTexts,
    reservedBytes: bytesOf(reserved, space),
    maxUsedBytes: bytesOf(maxUsed, space),
    minFreeBytes: bytesOf(minFree, space),
  }));
}

/** A rule of garbage collection as clients are told of it. */
export interface RuleInBytes extends Pick<DiskRule, "all" | "keepMs"> {
  readonly filterTexts: readonly string[];
  readonly reservedBytes: number;
  readonly maxUsedBytes: number;
  readonly minFreeBytes: number;
}

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
    ...(filters.length === 0 ? {} : { filter: compileFilters(filters), filterTexts: filters }),
  };
}
