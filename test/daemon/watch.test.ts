// What whoever runs the daemon is told: numbers for Prometheus, spans for a collector, lines of a log.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { otlpTarget } from "../../src/config/daemon/otlp.ts";
import { serve } from "../../src/daemon/daemon.ts";
import { logTo } from "../../src/daemon/log.ts";
import { DaemonMetrics } from "../../src/daemon/watch/daemon-metrics.ts";
import { Metrics } from "../../src/daemon/watch/metrics.ts";
import { OtlpExporter } from "../../src/daemon/watch/otlp.ts";
import { traceContextOf } from "../../src/daemon/watch/trace-context.ts";
import { buildThrough, offerOf, openSession } from "../support/build-client.ts";
import { connected, DOCKERFILE, folder, NEVER, options } from "./running-daemon.ts";

test("numbers have Prometheus' form, and one that cannot be had leaves the others", async () => {
  const metrics = new Metrics();
  const counter = metrics.counter("c_total", "Counts.");
  counter.add(2, { result: 'a"b\\c\n' });
  counter.add(1, { result: 'a"b\\c\n' });
  metrics.gauge("bad", "Broken.", () => Promise.reject(new Error("no")));
  const histogram = metrics.histogram("h", "Times.", [1, 5]);
  for (const value of [0.5, 1, 3, 9]) histogram.observe(value);
  assert.equal(
    await metrics.text(),
    `# HELP c_total Counts.
# TYPE c_total counter
c_total{result="a\\"b\\\\c\\n"} 3
# HELP h Times.
# TYPE h histogram
h_bucket{le="1"} 2
h_bucket{le="5"} 3
h_bucket{le="+Inf"} 4
h_sum 13.5
h_count 4
`,
  );
});

test("builds, steps and bytes are counted", async () => {
  const zero = (): number => 0;
  const readings = { buildsRunning: zero, sessions: zero, stepsWaiting: zero, stepsRunning: zero, storeBytes: zero };
  const metrics = new DaemonMetrics(readings, 1000);
  metrics.buildEnded("succeeded", 700);
  const step = { kind: "vertex", vertex: `sha256:${"0".repeat(64)}`, name: "x", inputs: [] } as const;
  metrics.step({ ...step, started: 1 });
  metrics.step({ ...step, started: 1, completed: 2 });
  metrics.step({ ...step, started: 1, completed: 1, cached: true });
  const text = await metrics.text();
  for (const line of [
    'tsbuild_builds_total{result="succeeded"} 1',
    'tsbuild_build_duration_seconds_bucket{le="1"} 1',
    'tsbuild_steps_total{result="done"} 1',
    'tsbuild_steps_total{result="cached"} 1',
    "process_start_time_seconds 1",
  ])
    assert.ok(text.includes(`${line}\n`), line);
  assert.match(text, /^process_resident_memory_bytes [1-9]\d{6,}$/m);
});

test("a client's trace is continued, and what is none begins a new one", () => {
  const [trace, span] = ["a".repeat(32), "b".repeat(16)];
  assert.deepEqual(traceContextOf(`00-${trace}-${span}-01`), { traceId: trace, parentId: span, isSampled: true });
  assert.equal(traceContextOf(`00-${trace}-${span}-00`).isSampled, false);
  for (const bad of [
    undefined,
    "",
    `ff-${trace}-${span}-01`,
    `00-${"0".repeat(32)}-${span}-01`,
    `00-${trace}-${span}-01-x`,
  ]) {
    const { traceId, parentId } = traceContextOf(bad);
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.notEqual(traceId, trace);
    assert.equal(parentId, undefined);
  }
});

test("where traces go is read from OpenTelemetry's variables and the daemon's file", () => {
  assert.equal(otlpTarget({}, {}), undefined);
  assert.equal(otlpTarget({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" })?.url, "http://c:4318/v1/traces");
  assert.equal(otlpTarget({}, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c:4318/x" })?.url, "http://c:4318/x");
  assert.equal(
    otlpTarget({ endpoint: "https://f" }, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" })?.url,
    "https://f/v1/traces",
  );
  assert.equal(otlpTarget({ endpoint: "https://f" }, { OTEL_SDK_DISABLED: "true" }), undefined);
  const more = otlpTarget(
    {},
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://c",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x,b=c",
      OTEL_SERVICE_NAME: "mine",
      OTEL_RESOURCE_ATTRIBUTES: "a=1,service.name=other",
    },
  );
  assert.deepEqual(more?.headers, { authorization: "Bearer x", b: "c" });
  assert.deepEqual(more?.resource, { a: "1", "service.name": "mine" });
  const wrong =
    (environment: Record<string, string>): (() => unknown) =>
    () =>
      otlpTarget({}, environment);
  assert.throws(wrong({ OTEL_EXPORTER_OTLP_ENDPOINT: "c:4318" }), /is no http or https URL/);
  assert.throws(wrong({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://u:p@c" }), /has a login in its URL/);
  const grpc = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" };
  assert.throws(wrong(grpc), /"grpc" is not offered/);
  assert.equal(otlpTarget({}, { ...grpc, OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" })?.encoding, "protobuf");
});

test("lines of the log are JSON, or text that moves no cursor", () => {
  const lines: string[] = [];
  const json = logTo((line) => void lines.push(line), "json", "info");
  json("debug", "hidden");
  json("info", "build", { ref: "x" });
  const text = logTo((line) => void lines.push(line), "text", "debug");
  text("debug", "build", { ref: "x", error: "\u001b[2J y\n", ms: 3, none: undefined });
  const parsed = JSON.parse(lines[0] ?? "");
  assert.deepEqual({ ...parsed, time: "" }, { time: "", level: "info", msg: "build", ref: "x" });
  assert.match(lines[1] ?? "", /^\S+Z DEBUG build ref=x error="\\u001b\[2J y\\n" ms=3\n$/);
  assert.equal(lines.length, 2);
});

test("a build is a span with a span for each step, in its client's trace; a slow collector holds nothing up", async () => {
  const taken: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.on("end", () => {
      taken.push({ headers: request.headers, body: Buffer.concat(chunks).toString("latin1") });
      response.writeHead(200).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo; // it listens on TCP
  const end = new AbortController();
  const resource = { "service.name": "tsbuild" };
  const otlp = { url: `http://127.0.0.1:${port}/v1/traces`, headers: { "x-key": "k" }, resource, timeoutMs: 5000 };
  const asJson = { ...otlp, encoding: "json" } as const;
  const lines: string[] = [];
  const log = logTo((line) => void lines.push(line), "json", "info");
  const running = serve({ ...options("traced.sock"), otlp: asJson, log }, end.signal);
  const client = await connected(join(folder, "traced.sock"));
  const offer = offerOf({ Dockerfile: DOCKERFILE, a: "A" });
  await using _session = openSession(client, "traced", offer);
  const [trace, parent] = ["4".repeat(32), "5".repeat(16)];
  const request = { ref: "traced", session: "traced", exporters: [{ type: "tar", attrs: new Map() }] };
  await buildThrough(client, request, {}, NEVER, { traceparent: `00-${trace}-${parent}-01` });
  await _session[Symbol.asyncDispose]();
  client[Symbol.dispose]();
  end.abort();
  await running;
  const exporter = new OtlpExporter({ ...otlp, encoding: "protobuf" }, log);
  const ids = { traceId: "01".repeat(16), spanId: "02".repeat(8), parentId: undefined };
  const span = { ...ids, name: "a", startMs: 1, endMs: 2, attributes: { b: false }, error: undefined };
  exporter.add([{ ...span, kind: "internal" }]);
  await exporter.end(5000);
  collector.close();
  const asProtobuf = taken.pop();
  assert.equal(asProtobuf?.headers["content-type"], "application/x-protobuf");
  // trace_id, span_id, name, kind; two times; an attribute that is false; status, flags
  const [times, rest] = ["3940420f0000000000" + "4180841e0000000000", "4a070a016212021000" + "7a00" + "850101000000"];
  const bytes = `1244${"0a10"}${ids.traceId}1208${ids.spanId}2a01613001${times}${rest}`;
  assert.ok(
    Buffer.from(asProtobuf?.body ?? "", "latin1")
      .toString("hex")
      .endsWith(bytes),
  );
  const [sent] = taken;
  assert.ok(sent !== undefined);
  assert.equal(sent.headers["x-key"], "k");
  const { resourceSpans } = JSON.parse(sent.body);
  const spans: readonly Record<string, string>[] = resourceSpans[0].scopeSpans[0].spans;
  const build = spans.find(({ name }) => name === "build");
  assert.equal(build?.["parentSpanId"], parent);
  assert.ok(spans.every(({ traceId }) => traceId === trace));
  const step = spans.find(({ name }) => name?.includes("COPY . /"));
  assert.equal(step?.["parentSpanId"], build?.["spanId"]);
  for (const { startTimeUnixNano = "", endTimeUnixNano = "" } of spans)
    assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano));
  const built = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === "built");
  assert.equal(built.trace, trace);
  assert.ok(built.steps.done > 0);
});
