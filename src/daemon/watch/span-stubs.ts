// Spans as the text in which records of builds hold them: JSON documents, one after the other, with the fields that Go's
// encoding gives OpenTelemetry's (go.opentelemetry.io/otel/sdk/trace/tracetest, SpanStub).

import { VERSION } from "../../version.ts";
import type { Attributes, Span } from "./otlp.ts";

const KINDS = { internal: 1, server: 2 } as const;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);
const SAMPLED = "01";

/** The text for some spans. */
export function spanStubs(spans: readonly Span[]): string {
  return spans.map((span) => `${JSON.stringify(stubOf(span))}\n`).join("");
}

function stubOf({ traceId, spanId, parentId, kind, name, startMs, endMs, attributes, error }: Span): object {
  return {
    Name: name,
    SpanContext: contextOf(traceId, spanId),
    Parent: parentId === undefined ? contextOf(NO_TRACE, NO_SPAN) : contextOf(traceId, parentId),
    SpanKind: KINDS[kind],
    StartTime: new Date(startMs).toISOString(),
    EndTime: new Date(endMs).toISOString(),
    Attributes: attributesOf(attributes),
    Events: null,
    Links: null,
    Status: error === undefined ? { Code: "Unset", Description: "" } : { Code: "Error", Description: error },
    DroppedAttributes: 0,
    DroppedEvents: 0,
    DroppedLinks: 0,
    ChildSpanCount: 0,
    Resource: attributesOf({ "service.name": "tsbuild" }),
    InstrumentationLibrary: { Name: "tsbuild", Version: VERSION, SchemaURL: "" },
  };
}

function contextOf(traceId: string, spanId: string): object {
  const flags = spanId === NO_SPAN ? "00" : SAMPLED;
  return { TraceID: traceId, SpanID: spanId, TraceFlags: flags, TraceState: "", Remote: false };
}

function attributesOf(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ Key: key, Value: { Type: typeOf(value), Value: value } }));
}

function typeOf(value: Attributes[string]): string {
  if (typeof value === "string") return "STRING";
  if (typeof value === "boolean") return "BOOL";
  if (typeof value === "number") return Number.isInteger(value) ? "INT64" : "FLOAT64";
  return "STRINGSLICE";
}
