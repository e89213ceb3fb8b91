// Items of a store as buildx's `du` and `prune` write them.

import type { DiskItem, DiskUsage } from "../../../builder/disk-usage.ts";
import { humanAge, humanSize } from "../../cli/human.ts";
import { printable } from "../../cli/printable.ts";
import { parseRowTemplate } from "../../cli/row-template.ts";
import { formatTable } from "../table.ts";

/** The fields of a row, with buildx's names and texts (commands/diskusage.go). */
function rowOf(item: DiskItem, nowMs: number): Readonly<Record<string, unknown>> {
  return {
    ID: item.id,
    Parents: item.parents.length === 0 ? null : item.parents,
    CreatedAt: goTime(item.createdMs),
    Mutable: item.mutable,
    Reclaimable: !item.inUse,
    Shared: item.shared,
    Size: humanSize(item.bytes),
    Description: item.description,
    UsageCount: item.uses,
    LastUsedAt: humanAge(new Date(item.usedMs).toISOString(), nowMs),
    Type: item.type,
  };
}

const HEADING = ["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"];

/** The table; a star marks what is mutable, and sizes that are shared. */
export function itemTable(items: readonly DiskItem[], nowMs: number): string {
  const rows = items.map((item) => [
    `${printable(item.id)}${item.mutable ? "*" : ""}`,
    `${!item.inUse}`,
    `${humanSize(item.bytes)}${item.shared ? "*" : ""}`,
    humanAge(new Date(item.usedMs).toISOString(), nowMs),
  ]);
  return formatTable([HEADING, ...rows]);
}

/** All that is known of each. */
export function itemDetails(items: readonly DiskItem[], nowMs: number): string {
  return items
    .map((item) => {
      const row = rowOf(item, nowMs);
      const parents = item.parents.length === 0 ? [] : ["Parents:", ...item.parents.map((parent) => ` - ${parent}`)];
      const line = (title: string, value: unknown): string => `${`${title}:`.padEnd(14)}${printable(String(value))}`;
      return [
        line("ID", item.id),
        ...parents,
        line("Created at", row["CreatedAt"]),
        line("Mutable", item.mutable),
        line("Reclaimable", !item.inUse),
        line("Shared", item.shared),
        line("Size", row["Size"]),
        line("Description", item.description),
        line("Usage count", item.uses),
        line("Last used", row["LastUsedAt"]),
        line("Type", item.type),
      ].join("\n");
    })
    .map((text) => `${text}\n\n`)
    .join("");
}

/** By a template; `table …` puts a heading above it. */
export function itemsByTemplate(items: readonly DiskItem[], text: string, nowMs: number): string {
  const template = parseRowTemplate(text, TITLES);
  const rows = items.map((item) => rowOf(item, nowMs));
  if (template.kind === "json") return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const texts = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, printable(shown(value))])),
  );
  if (template.kind === "lines") return texts.map((row) => `${template.line(row)}\n`).join("");
  return formatTable([template.headings, ...texts.map((row) => template.cells(row))]);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value ?? "");
}

const TITLES: Readonly<Record<string, string>> = {
  ID: "ID",
  Parents: "PARENTS",
  CreatedAt: "CREATED AT",
  Mutable: "MUTABLE",
  Reclaimable: "RECLAIMABLE",
  Shared: "SHARED",
  Size: "SIZE",
  Description: "DESCRIPTION",
  UsageCount: "USAGE COUNT",
  LastUsedAt: "LAST ACCESSED",
  Type: "TYPE",
};

/** buildx's sums of the items, then a line for each kind, and what else the store holds, to the sum that du(1) finds. */
export function usageSummary({ items, store }: DiskUsage): string {
  const isAll = items.length === store.items.length;
  const sums = sumsOf(items);
  const top = [
    ...(sums.shared > 0 ? [["Shared:", sums.shared] as const, ["Private:", sums.private] as const] : []),
    ["Reclaimable:", sums.reclaimable] as const,
    ["Total:", sums.total] as const,
  ].map(([title, bytes]) => `${title.padEnd(16)}${humanSize(bytes)}\n`);
  if (!isAll) return top.join("");
  const kinds = [...new Set(items.map(({ kind }) => kind))].toSorted();
  const rows = [
    ...kinds.map((kind) => {
      const own = items.filter((item) => item.kind === kind);
      const { reclaimable, total } = sumsOf(own);
      return [kind, `${own.length}`, humanSize(reclaimable), humanSize(total)];
    }),
    ["image", `${store.images.length}`, "0B", humanSize(sumOf(store.images))],
    ...[...store.others].map(([what, bytes]) => [what, "", "0B", humanSize(bytes)]),
    ["on disk", "", humanSize(sums.reclaimable), humanSize(store.totalBytes)],
  ];
  return `${top.join("")}\n${formatTable([["KIND", "COUNT", "RECLAIMABLE", "SIZE"], ...rows])}`;
}

/** All figures in bytes and ms. */
export function usageJson({ items, store }: DiskUsage): Readonly<Record<string, unknown>> {
  return {
    items: items.map(
      ({ paths: _paths, locks: _locks, blobs: _blobs, layer: _layer, lease: _lease, depth: _depth, ...item }) => ({
        ...item,
        createdMs: undefined,
        usedMs: undefined,
        created: new Date(item.createdMs).toISOString(),
        lastUsed: new Date(item.usedMs).toISOString(),
      }),
    ),
    images: store.images,
    others: Object.fromEntries(store.others),
    ...sumsOf(items),
    onDisk: store.totalBytes,
  };
}

function sumsOf(items: readonly DiskItem[]): { shared: number; private: number; reclaimable: number; total: number } {
  const total = sumOf(items);
  const shared = sumOf(items.filter((item) => item.shared));
  return { shared, private: total - shared, reclaimable: sumOf(items.filter((item) => !item.inUse)), total };
}

function sumOf(list: readonly { readonly bytes: number }[]): number {
  return list.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** As Go prints a time.Time in UTC. */
function goTime(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", " +0000 UTC");
}
