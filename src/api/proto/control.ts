// The messages of moby.buildkit.v1.Control (BuildKit, api/services/control/control.proto), as far as they are used.

import { Definition } from "./llb.ts";
import type { Of } from "./message.ts";
import {
  bool,
  bytes,
  bytesList,
  int,
  many,
  message,
  messageMap,
  one,
  string,
  stringMap,
  strings,
  time,
} from "./message.ts";

export const Empty = message({});

export const BuildkitVersion = message({
  package: string(1),
  version: string(2),
  revision: string(3),
  dockerfile: string(4),
});
export const InfoResponse = message({ version: one(1, BuildkitVersion) });

const PlatformMessage = message({ architecture: string(1), os: string(2), variant: string(3) });
/** `keepDuration` is in nanoseconds. */
const GcPolicy = message({
  all: bool(1),
  keepDuration: int(2),
  reservedSpace: int(3),
  filters: strings(4),
  maxUsedSpace: int(5),
  minFreeSpace: int(6),
});
export const WorkerRecord = message({
  id: string(1),
  labels: stringMap(2),
  platforms: many(3, PlatformMessage),
  gcPolicy: many(4, GcPolicy),
  version: one(5, BuildkitVersion),
});
export const ListWorkersRequest = message({ filter: strings(1) });
export const ListWorkersResponse = message({ records: many(1, WorkerRecord) });

const CacheEntry = message({ type: string(1), attrs: stringMap(2) });
const CacheOptions = message({
  oldExport: string(1),
  oldImports: strings(2),
  exports: many(4, CacheEntry),
  imports: many(5, CacheEntry),
});
export const Exporter = message({ type: string(1), attrs: stringMap(2) });
const Constraint = message({ key: string(1), value: string(2), condition: int(3) });
const Selector = message({ identifier: string(1), match: int(2), constraints: many(3, Constraint) });
const Update = message({ identifier: string(1), attrs: stringMap(2) });
const Rule = message({ action: int(1), selector: one(2, Selector), updates: one(3, Update) });
/** BuildKit, sourcepolicy/pb/policy.proto. */
export const SourcePolicyMessage = message({ version: int(1), rules: many(2, Rule) });
export const SolveRequest = message({
  ref: string(1),
  definition: one(2, Definition),
  oldExporter: string(3),
  oldExporterAttrs: stringMap(4),
  session: string(5),
  frontend: string(6),
  frontendAttrs: stringMap(7),
  cache: one(8, CacheOptions),
  entitlements: strings(9),
  frontendInputs: messageMap(10, Definition),
  internal: bool(11),
  sourcePolicy: one(12, SourcePolicyMessage),
  exporters: many(13, Exporter),
  /** Somebody to be asked about each source. */
  sourcePolicySession: string(15),
  proxyNetwork: bool(17),
});
export type SolveRequest = Of<typeof SolveRequest>;
export type Exporter = Of<typeof Exporter>;
export const SolveResponse = message({ exporterResponse: stringMap(1) });

export const StatusRequest = message({ ref: string(1) });
const VertexMessage = message({
  digest: string(1),
  inputs: strings(2),
  name: string(3),
  cached: bool(4),
  started: time(5),
  completed: time(6),
  error: string(7),
});
const VertexStatus = message({
  id: string(1),
  vertex: string(2),
  name: string(3),
  current: int(4),
  total: int(5),
  timestamp: time(6),
  started: time(7),
  completed: time(8),
});
export const VertexLog = message({ vertex: string(1), timestamp: time(2), stream: int(3), data: bytes(4) });
const Position = message({ line: int(1), character: int(2) });
const Range = message({ start: one(1, Position), end: one(2, Position) });
const SourceInfo = message({ filename: string(1), data: bytes(2), language: string(4) });
export const VertexWarning = message({
  vertex: string(1),
  level: int(2),
  short: bytes(3),
  detail: bytesList(4),
  url: string(5),
  info: one(6, SourceInfo),
  ranges: many(7, Range),
});
export const StatusResponse = message({
  vertexes: many(1, VertexMessage),
  statuses: many(2, VertexStatus),
  logs: many(3, VertexLog),
  warnings: many(4, VertexWarning),
});
export type StatusResponse = Of<typeof StatusResponse>;

export const HealthRequest = message({ service: string(1) });
/** 1: serving (grpc.health.v1). */
export const HealthResponse = message({ status: int(1) });
