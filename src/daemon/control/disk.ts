// What the store takes of the disk and what may go, for `docker buildx du` and `prune`.

import type { DiskItem } from "../../../builder/disk-usage.ts";
import { diskUsage, prune } from "../../../builder/disk-usage.ts";
import { streaming, unary } from "../../api/grpc/methods.ts";
import type { Handler } from "../../api/grpc/server.ts";
import { DiskUsageRequest, DiskUsageResponse, PruneRequest, UsageRecord } from "../../api/proto/disk.ts";
import type { Of } from "../../api/proto/message.ts";
import { rpcErrorOf } from "./errors.ts";

const SERVICE = "/moby.buildkit.v1.Control";
const NS_PER_MS = 1e6;

/** The methods about the disk of the store at `root`. */
export function diskHandlers(root: string): readonly (readonly [string, Handler])[] {
  return [
    [
      `${SERVICE}/DiskUsage`,
      unary(DiskUsageRequest, DiskUsageResponse, async ({ filter }) => {
        try {
          return { records: (await diskUsage(root, said(filter))).items.map(recordOf) };
        } catch (error) {
          throw rpcErrorOf(error);
        }
      }),
    ],
    [
      `${SERVICE}/Prune`,
      streaming(PruneRequest, async (request, call) => {
        const removed: DiskItem[] = [];
        const asked = {
          root,
          all: request.all,
          filters: said(request.filter),
          keepMs: request.keepDuration / NS_PER_MS,
          reserved: { bytes: request.reservedSpace },
          maxUsed: { bytes: request.maxUsedSpace },
          minFree: { bytes: request.minFreeSpace },
          onRemoved: (item: DiskItem) => void removed.push(item),
        };
        try {
          await prune(asked, call.signal);
        } catch (error) {
          throw rpcErrorOf(error);
        }
        for (const item of removed) await call.send(UsageRecord.encode(recordOf(item)));
      }),
    ],
  ];
}

/** Clients without a filter send an empty one. */
function said(filters: readonly string[]): readonly string[] {
  return filters.filter((filter) => filter !== "");
}

function recordOf(item: DiskItem): Of<typeof UsageRecord> {
  const { id, mutable, inUse, shared, bytes, createdMs, usedMs, uses, description, type, parents } = item;
  const times = { createdAt: createdMs, lastUsedAt: usedMs, usageCount: uses };
  return { id, mutable, inUse, shared, size: bytes, ...times, description, recordType: type, parents };
}
