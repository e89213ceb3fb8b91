// The messages in which spans go to a collector (opentelemetry-proto: collector/trace/v1, trace/v1, common/v1, resource/v1).

import {
  bytes,
  fixed32,
  fixed64,
  int,
  many,
  maybeBool,
  maybeDouble,
  maybeInt,
  maybeString,
  message,
  one,
  string,
} from "./message.ts";

const TextValue = message({ stringValue: maybeString(1) });
const ArrayValue = message({ values: many(1, TextValue) });
const AnyValue = message({
  stringValue: maybeString(1),
  boolValue: maybeBool(2),
  intValue: maybeInt(3),
  doubleValue: maybeDouble(4),
  arrayValue: one(5, ArrayValue),
});
const KeyValue = message({ key: string(1), value: one(2, AnyValue) });
const Resource = message({ attributes: many(1, KeyValue) });
const Scope = message({ name: string(1), version: string(2) });
const SpanStatus = message({ message: string(2), code: int(3) });
export const SpanMessage = message({
  traceId: bytes(1),
  spanId: bytes(2),
  parentSpanId: bytes(4),
  name: string(5),
  kind: int(6),
  startTimeUnixNano: fixed64(7),
  endTimeUnixNano: fixed64(8),
  attributes: many(9, KeyValue),
  status: one(15, SpanStatus),
  flags: fixed32(16),
});
const ScopeSpans = message({ scope: one(1, Scope), spans: many(2, SpanMessage) });
const ResourceSpans = message({ resource: one(1, Resource), scopeSpans: many(2, ScopeSpans) });
export const TraceRequest = message({ resourceSpans: many(1, ResourceSpans) });
