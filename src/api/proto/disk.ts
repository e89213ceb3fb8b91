// The messages of the control API about the disk and about builds that were (BuildKit, api/services/control/control.proto).

import { StatusMessage } from "./bridge.ts";
import { Exporter } from "./control.ts";
import {
  bool,
  int,
  intMessageMap,
  many,
  message,
  messageMap,
  one,
  string,
  stringMap,
  strings,
  time,
} from "./message.ts";

export const UsageRecord = message({
  id: string(1),
  mutable: bool(2),
  inUse: bool(3),
  size: int(4),
  createdAt: time(6),
  lastUsedAt: time(7),
  usageCount: int(8),
  description: string(9),
  recordType: string(10),
  shared: bool(11),
  parents: strings(12),
});
export const DiskUsageRequest = message({ filter: strings(1) });
export const DiskUsageResponse = message({ records: many(1, UsageRecord) });
/** `keepDuration` is in nanoseconds. */
export const PruneRequest = message({
  filter: strings(1),
  all: bool(2),
  keepDuration: int(3),
  reservedSpace: int(4),
  maxUsedSpace: int(5),
  minFreeSpace: int(6),
});

export const HistoryRequest = message({ activeOnly: bool(1), ref: string(2), earlyExit: bool(3), limit: int(5) });
/** Names what is kept of a build, to be read as content. */
export const RecordDescriptor = message({
  mediaType: string(1),
  digest: string(2),
  size: int(3),
  annotations: stringMap(5),
});
/** `results` are by the place of their exporter; `first` is the first of them, for old clients. */
export const RecordResult = message({
  first: one(1, RecordDescriptor),
  attestations: many(2, RecordDescriptor),
  results: intMessageMap(3, RecordDescriptor),
});
export const HistoryRecord = message({
  ref: string(1),
  frontend: string(2),
  frontendAttrs: stringMap(3),
  exporters: many(4, Exporter),
  error: one(5, StatusMessage),
  createdAt: time(6),
  completedAt: time(7),
  logs: one(8, RecordDescriptor),
  exporterResponse: stringMap(9),
  result: one(10, RecordResult),
  results: messageMap(11, RecordResult),
  trace: one(13, RecordDescriptor),
  pinned: bool(14),
  cachedSteps: int(15),
  totalSteps: int(16),
  completedSteps: int(17),
  externalError: one(18, RecordDescriptor),
  warnings: int(19),
});
/** `type` is 0 for a build that began, 1 for one that ended, 2 for one that was forgotten. */
export const HistoryEvent = message({ type: int(1), record: one(2, HistoryRecord) });
export const UpdateHistoryRequest = message({ ref: string(1), pinned: bool(2), isDeleted: bool(3), isFinal: bool(4) });
