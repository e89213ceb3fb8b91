// `tsbuild du`: what the store takes of the disk.

import { isOn, listOf, textOf } from "../cli/flags.ts";
import { DU_FLAGS } from "../cli/disk-flags.ts";
import { parseDiskFilters } from "../cli/disk-filter.ts";
import type { Command } from "./command.ts";
import { exactly, readArguments, rootOf } from "./command.ts";
import { itemDetails, itemsByTemplate, itemTable, usageJson, usageSummary } from "./disk-text.ts";

const USAGE = `Usage:  tsbuild du [OPTIONS]

Shows what the local store takes of the disk: each thing that can be pruned, and the sums.`;

/** The command. */
export const du: Command = async (context) => {
  const args = await readArguments(context, DU_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "du", "none");
  const { keepMs, filters } = parseDiskFilters(listOf(args, "filter"));
  const { diskUsage } = await import("../../builder/disk-usage.ts");
  const found = await diskUsage(rootOf(context, args), filters);
  const now = Date.now();
  const items = found.items.filter(({ usedMs }) => keepMs === 0 || now - usedMs > keepMs).toReversed();
  const usage = { ...found, items };
  const format = isOn(args, "verbose") ? "pretty" : (textOf(args, "format") ?? "table");
  if (isOn(args, "json")) await context.print(`${JSON.stringify(usageJson(usage), null, 2)}\n`);
  else if (format === "pretty") await context.print(`${itemDetails(items, now)}${usageSummary(usage)}`);
  else if (format === "table") await context.print(`${itemTable(items, now)}${usageSummary(usage)}`);
  else await context.print(itemsByTemplate(items, format, now));
  return 0;
};
