// The messages of moby.buildkit.v1.frontend.LLBBridge (BuildKit, frontend/gateway/pb/gateway.proto), as far as they are used.

import { SourcePolicyMessage, WorkerRecord } from "./control.ts";
import { Definition } from "./llb.ts";
import { bigInt, bool, bytes, bytesMap, int, many, message, messageMap, one, string, stringMap } from "./message.ts";
import type { Of } from "./message.ts";

const Capability = message({ id: string(1), enabled: bool(2) });
export const PongResponse = message({
  frontendCaps: many(1, Capability),
  llbCaps: many(2, Capability),
  workers: many(3, WorkerRecord),
});

export const BridgeSolveRequest = message({
  definition: one(1, Definition),
  frontend: string(2),
  frontendOpt: stringMap(3),
  frontendInputs: messageMap(13, Definition),
  evaluate: bool(14),
  sourcePolicies: many(15, SourcePolicyMessage),
});
const ResultRef = message({ id: string(1), definition: one(2, Definition) });
const ResultRefs = message({ refs: messageMap(1, ResultRef) });
export const ResultMessage = message({
  oldRef: string(1),
  ref: one(3, ResultRef),
  refs: one(4, ResultRefs),
  metadata: bytesMap(10),
});
export const BridgeSolveResponse = message({ ref: string(1), result: one(3, ResultMessage) });

const AnyMessage = message({ typeUrl: string(1), value: bytes(2) });
/** google.rpc.Status. */
export const StatusMessage = message({ code: int(1), message: string(2), details: many(3, AnyMessage) });
export const ReturnRequest = message({ result: one(1, ResultMessage), error: one(2, StatusMessage) });
export const EvaluateRequest = message({ ref: string(1) });
export const InputsResponse = message({ definitions: messageMap(1, Definition) });
export const WarnRequest = message({ digest: string(1), level: int(2), short: bytes(3), url: string(5) });

/** Paths are bytes; they begin at the root of a result. */
const FileRange = message({ offset: int(1), length: int(2) });
export const ReadFileRequest = message({ ref: string(1), path: bytes(2), range: one(3, FileRange) });
export const ReadFileResponse = message({ data: bytes(1) });
export const ReadDirRequest = message({ ref: string(1), path: bytes(2), includePattern: string(3) });
/** fsutil's Stat; the mode is Go's FileMode. */
const StatMessage = message({
  path: bytes(1),
  mode: int(2),
  uid: int(3),
  gid: int(4),
  size: int(5),
  modTime: bigInt(6),
  link: bytes(7),
  major: int(8),
  minor: int(9),
});
export const ReadDirResponse = message({ entries: many(1, StatMessage) });
export const StatFileRequest = message({ ref: string(1), path: bytes(2) });
export const StatFileResponse = message({ stat: one(1, StatMessage) });
export type StatMessage = Of<typeof StatMessage>;
