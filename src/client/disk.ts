// What a daemon's store takes of its disk, and pruning it.

import type { DiskItem } from "../../builder/disk-usage.ts";
import type { MessageType } from "../api/proto/message.ts";
import { DiskUsageRequest, DiskUsageResponse, PruneRequest, UsageRecord } from "../api/proto/disk.ts";
import { connectTo } from "./connect.ts";
import { explained } from "./failure.ts";
import type { Host } from "./host.ts";

const CONTROL = "/moby.buildkit.v1.Control";
const NS_PER_MS = 1e6;
const TYPES: ReadonlySet<string> = new Set<DiskItem["type"]>([
  ...(["regular", "internal", "frontend", "source.local", "source.git.checkout", "exec.cachemount"] as const),
]);

/** Of no use to anybody elsewhere. */
const NOT_TOLD = { paths: [], locks: [], blobs: [] };

/** The items that pass the filters. */
export async function remoteUsage(
  host: Host,
  filters: readonly string[],
  signal: AbortSignal,
): Promise<readonly DiskItem[]> {
  const records = await recordsOf(
    host,
    `${CONTROL}/DiskUsage`,
    DiskUsageRequest,
    { filter: filters },
    signal,
    (bytes) => DiskUsageResponse.decode(bytes).records,
  );
  return records.map(itemOf);
}

/** What is to go, in buildx's words. Amounts of 0 bytes say nothing. */
export interface RemotePrune {
  readonly filters: readonly string[];
  readonly all: boolean;
  readonly keepMs: number;
  readonly reservedBytes: number;
  readonly maxUsedBytes: number;
  readonly minFreeBytes: number;
}

/** Prunes, and returns what went. */
export async function remotePrune(host: Host, asked: RemotePrune, signal: AbortSignal): Promise<readonly DiskItem[]> {
  const request = {
    filter: asked.filters,
    all: asked.all,
    keepDuration: asked.keepMs * NS_PER_MS,
    reservedSpace: asked.reservedBytes,
    maxUsedSpace: asked.maxUsedBytes,
    minFreeSpace: asked.minFreeBytes,
  };
  const records = await recordsOf(host, `${CONTROL}/Prune`, PruneRequest, request, signal, (bytes) => [
    UsageRecord.decode(bytes),
  ]);
  return records.map(itemOf);
}

type UsageRecordMessage = ReturnType<typeof UsageRecord.decode>;

async function recordsOf<Q>(
  host: Host,
  method: string,
  type: MessageType<Q>,
  request: Partial<Q>,
  signal: AbortSignal,
  read: (bytes: Uint8Array) => readonly UsageRecordMessage[],
): Promise<readonly UsageRecordMessage[]> {
  using client = await connectTo(host, signal);
  try {
    await using call = client.call(method, {}, signal);
    await call.send(type.encode(request));
    call.end();
    const found: UsageRecordMessage[] = [];
    for await (const bytes of call.messages) found.push(...read(bytes));
    return found;
  } catch (error) {
    throw explained(error, host.name);
  }
}

function itemOf(record: UsageRecordMessage): DiskItem {
  const { id, mutable, inUse, shared, size, createdAt, lastUsedAt, usageCount, description, recordType, parents } =
    record;
  const createdMs = createdAt ?? 0;
  const type = (TYPES.has(recordType) ? recordType : "regular") as DiskItem["type"]; // one of the set
  const times = {
    createdMs,
    usedMs: lastUsedAt ?? createdMs,
    uses: usageCount,
  };
  return {
    id,
    kind: "layer",
    type,
    description,
    parents,
    mutable,
    inUse,
    shared,
    bytes: size,
    ...times,
    lease: 0,
    depth: 0,
    ...NOT_TOLD,
  };
}
