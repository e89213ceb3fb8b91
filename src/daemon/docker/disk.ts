// What the store takes of the disk and what of the cache may go, as `docker system df` and `docker builder prune` have it.

import type { DiskItem } from "../../../builder/disk-usage.ts";
import { diskUsage, prune } from "../../../builder/disk-usage.ts";
import { listImages } from "../../../builder/images.ts";
import { HttpError, sendJson } from "../http/answer.ts";
import type { Route } from "../http/router.ts";
import type { EngineEvents } from "./events.ts";
import { filtersOf, isSet } from "./filters.ts";
import { summaries, totalBytes } from "./image-list.ts";

/** The routes about the disk of the store at `root`. */
export function diskRoutes(root: string, events: EngineEvents): readonly Route[] {
  return [
    {
      method: "GET",
      pattern: "/system/df",
      handler: async (_, response) => sendJson(response, 200, await usage(root)),
    },
    {
      method: "POST",
      pattern: "/build/prune",
      handler: async ({ query, signal }, response) => {
        const { removed, bytes } = await pruned(root, query, signal);
        events.pruned("builder", bytes);
        sendJson(response, 200, { CachesDeleted: removed, SpaceReclaimed: bytes });
      },
    },
  ];
}

async function usage(root: string): Promise<object> {
  const { items } = await diskUsage(root, []);
  const images = await listImages(root);
  return {
    LayersSize: totalBytes(images),
    Images: summaries(images, { shared: true }),
    Containers: [],
    Volumes: [],
    BuildCache: items.map(cacheRecord),
  };
}

function cacheRecord(item: DiskItem): object {
  const { id, type, description, inUse, shared, bytes, createdMs, usedMs, uses, parents } = item;
  return {
    ID: id,
    // Docker's own clients look for it under a name that begins with a space (api/types/build/cache.go).
    " Parents": parents,
    Parents: parents,
    Type: type,
    Description: description,
    InUse: inUse,
    Shared: shared,
    Size: bytes,
    CreatedAt: new Date(createdMs).toISOString(),
    LastUsedAt: usedMs === undefined ? null : new Date(usedMs).toISOString(),
    UsageCount: uses,
  };
}

async function pruned(
  root: string,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<{ readonly removed: readonly string[]; readonly bytes: number }> {
  const { filters, keepMs } = ageOf(filtersOf(query));
  const removed: string[] = [];
  const bytes = await prune(
    {
      root,
      all: isSet(query, "all"),
      filters,
      keepMs,
      // The older word for it.
      reserved: { bytes: bytesOf(query, "reserved-space") || bytesOf(query, "keep-storage") },
      maxUsed: { bytes: bytesOf(query, "max-used-space") },
      minFree: { bytes: bytesOf(query, "min-free-space") },
      onRemoved: ({ id }) => void removed.push(id),
    },
    signal,
  );
  return { removed, bytes };
}

function bytesOf(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? "";
  if (!/^\d*$/.test(text)) throw new HttpError(400, `${name} "${text}" is no number of bytes`);
  return Number(text);
}

const MS: ReadonlyMap<string, number> = new Map([
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
]);

/** `until=24h` stands for an age among docker's filters; the others are BuildKit's. Throws `HttpError` 400. */
function ageOf(all: readonly string[]): { readonly filters: readonly string[]; readonly keepMs: number } {
  const isAge = (filter: string): boolean => /^(?:until|unused-for)=/.test(filter);
  let keepMs = 0;
  for (const filter of all.filter(isAge)) {
    const text = filter.slice(filter.indexOf("=") + 1);
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)];
    if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text)
      throw new HttpError(400, `"${filter}" is no duration such as 24h or 1h30m`);
    keepMs = parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (MS.get(unit) ?? 0), 0);
  }
  return { filters: all.filter((filter) => !isAge(filter)), keepMs };
}
