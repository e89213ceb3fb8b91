// `tsbuild du`: what the store takes of the disk.

import type { DiskItem } from "../../../builder/disk-usage.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { DU_FLAGS } from "../../cli/flags/disk-flags.ts";
import { parseDiskFilters } from "../../cli/values/disk-filter.ts";
import { humanSize } from "../../cli/human.ts";
import type { Host } from "../../client/host.ts";
import { hostOf } from "../build/builder-at.ts";
import type { Command, CommandContext } from "../command.ts";
import { exactly, readArguments, rootOf } from "../command.ts";
import { itemDetails, itemsByTemplate, itemTable, usageJson, usageSummary } from "./text.ts";

const USAGE = `Usage:  tsbuild du [OPTIONS]

Shows what the local store takes of the disk: each thing that can be pruned, and the sums.`;

/** The command. */
export const du: Command = async (context) => {
  const args = await readArguments(context, DU_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "du", "none");
  const { keepMs, filters } = parseDiskFilters(listOf(args, "filter"));
  const now = Date.now();
  const isOld = ({ usedMs }: DiskItem): boolean => keepMs === 0 || now - usedMs > keepMs;
  const host = await hostOf(args, context.environment);
  if (host !== undefined) return await remoteDu(context, args, host, filters, isOld);
  const { diskUsage } = await import("../../../builder/disk-usage.ts");
  const found = await diskUsage(rootOf(context, args), filters);
  const items = found.items.filter(isOld).toReversed();
  const usage = { ...found, items };
  const format = isOn(args, "verbose") ? "pretty" : (textOf(args, "format") ?? "table");
  if (isOn(args, "json")) await context.print(`${JSON.stringify(usageJson(usage), null, 2)}\n`);
  else if (format === "pretty") await context.print(`${itemDetails(items, now)}${usageSummary(usage)}`);
  else if (format === "table") await context.print(`${itemTable(items, now)}${usageSummary(usage)}`);
  else await context.print(itemsByTemplate(items, format, now));
  return 0;
};

/** Of a daemon's store only the items are known. */
async function remoteDu(
  context: CommandContext,
  args: Arguments,
  host: Host,
  filters: readonly string[],
  isOld: (item: DiskItem) => boolean,
): Promise<number> {
  const { remoteUsage } = await import("../../client/disk.ts");
  const items = (await remoteUsage(host, filters, context.signal)).filter(isOld).toReversed();
  const total = items.reduce((sum, { bytes }) => sum + bytes, 0);
  const format = isOn(args, "verbose") ? "pretty" : (textOf(args, "format") ?? "table");
  const now = Date.now();
  if (isOn(args, "json")) {
    const plain = items.map(({ lease: _lease, depth: _depth, kind: _kind, ...item }) => item);
    await context.print(`${JSON.stringify({ items: plain, bytes: total }, null, 2)}\n`);
  } else if (format === "pretty" || format === "table") {
    const list = format === "pretty" ? itemDetails(items, now) : itemTable(items, now);
    await context.print(`${list}Total:  ${humanSize(total)}\n`);
  } else await context.print(itemsByTemplate(items, format, now));
  return 0;
}
