// What goes over the wire: everything comes back as it went, and whatever else comes is refused as malformed.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BridgeSolveResponse, StatusMessage } from "../../src/api/proto/bridge.ts";
import { SolveRequest, StatusResponse } from "../../src/api/proto/control.ts";
import { MalformedMessage } from "../../src/api/proto/message.ts";
import { bytesMessage, readBytesMessage, readPacket, writePacket } from "../../src/api/proto/packets.ts";
import type { Packet } from "../../src/api/proto/packets.ts";
import { fileOf, statOf } from "../../src/api/files/go-stat.ts";
import { eventsOf } from "../../src/client/status.ts";

const PATH = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 30 });
/** Objects as our code makes them, whose prototype is Object's. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });
const BYTES = fc.uint8Array({ maxLength: 200 });

test("a packet comes back as it went", () => {
  const stat = record({
    path: PATH,
    mode: fc.nat({ max: 0xffffffff }),
    uid: fc.nat(),
    gid: fc.nat(),
    size: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    modTime: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    link: fc.string({ unit: "binary-ascii" }),
    major: fc.nat(),
    minor: fc.nat(),
  });
  const id = fc.nat({ max: 0xffffffff });
  const packet: fc.Arbitrary<Packet> = fc.oneof(
    record({ kind: fc.constant("stat" as const), stat: fc.option(stat, { nil: undefined }) }),
    record({ kind: fc.constant("request" as const), id }),
    record({ kind: fc.constant("data" as const), id, data: BYTES }),
    fc.constant({ kind: "finish" as const }),
    record({ kind: fc.constant("error" as const), message: fc.string() }),
  );
  fc.assert(
    fc.property(packet, (sent) => {
      const got = readPacket(writePacket(sent));
      assert.deepEqual(got.kind === "data" ? { ...got, data: Uint8Array.from(got.data) } : got, sent);
    }),
  );
});

test("names that are no UTF-8 keep their bytes", () => {
  const path = "caf\xe9/\xff";
  const stat = { path, mode: 0o644, uid: 0, gid: 0, size: 0, modTime: 0n, link: "\xfe", major: 0, minor: 0 };
  assert.deepEqual(readPacket(writePacket({ kind: "stat", stat })), { kind: "stat", stat });
});

test("a file is told of in Go's mode and understood from it", () => {
  const type = fc.constantFrom("file" as const, "dir" as const, "symlink" as const, "fifo" as const, "char" as const);
  fc.assert(
    fc.property(type, fc.nat({ max: 0o7777 }), (type, mode) => {
      const devices = type === "char" ? { major: 1, minor: 3 } : {};
      const link = type === "symlink" ? { link: "to" } : {};
      const file = { path: "x", type, mode, uid: 1, gid: 2, size: 0, mtimeNs: 5n, ...link, ...devices };
      assert.deepEqual(fileOf(statOf(file)), file);
    }),
  );
});

test("messages with maps, lists and messages in them come back as they went", () => {
  const sent = {
    ref: "r",
    session: "s",
    frontendAttrs: new Map([
      ["filename", "Dockerfile"],
      ["label:x", ""],
    ]),
    entitlements: ["network.host", ""],
    exporters: [
      { type: "image", attrs: new Map([["name", "a,b"]]) },
      { type: "local", attrs: new Map() },
    ],
    internal: true,
  };
  const got = SolveRequest.decode(SolveRequest.encode(sent));
  assert.deepEqual({ ...got, ...sent }, got);
  const time = 1_700_000_000_123.25;
  const vertex = {
    digest: "sha256:x",
    inputs: [],
    name: "n",
    cached: true,
    started: time,
    completed: undefined,
    error: "",
  };
  const status = StatusResponse.decode(StatusResponse.encode({ vertexes: [vertex] }));
  assert.deepEqual(status.vertexes, [vertex]);
});

test("a field of the wrong wire type is refused", () => {
  // Field 1 of a Solve is text; here it is a number.
  assert.throws(() => SolveRequest.decode(Uint8Array.of(0x08, 0x01)), MalformedMessage);
  assert.throws(() => readPacket(Uint8Array.of(0x08, 0x63)), MalformedMessage);
});

test("whatever bytes come, they are read or refused as malformed", () => {
  const readers = [
    (bytes: Uint8Array) => SolveRequest.decode(bytes),
    (bytes: Uint8Array) => StatusResponse.decode(bytes),
    (bytes: Uint8Array) => BridgeSolveResponse.decode(bytes),
    (bytes: Uint8Array) => StatusMessage.decode(bytes),
    (bytes: Uint8Array) => readPacket(bytes),
    (bytes: Uint8Array) => readBytesMessage(bytes),
  ];
  const good = SolveRequest.encode({ ref: "r", frontendAttrs: new Map([["a", "b"]]), exporters: [] });
  const damaged = fc
    .tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }), fc.nat({ max: good.length }))
    .map(([at, value, end]) => good.map((byte, place) => (place === at ? value : byte)).subarray(0, end));
  fc.assert(
    fc.property(fc.oneof(BYTES, damaged), fc.nat({ max: readers.length - 1 }), (bytes, which) => {
      try {
        readers[which]?.(bytes);
      } catch (error) {
        assert.ok(error instanceof MalformedMessage, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("the data of a part of a stream is not copied, and comes back", () => {
  const data = Buffer.from("some bytes");
  const parts = bytesMessage(data);
  assert.equal(parts.at(-1), data);
  assert.deepEqual(Buffer.from(readBytesMessage(Buffer.concat(parts))), data);
});

test("what a step said comes before its end, though a message has them by kind", () => {
  const vertex = `sha256:${"a".repeat(64)}`;
  const silent = `sha256:${"b".repeat(64)}`;
  const step = { inputs: [], name: "a step", cached: false, started: 1, completed: 2, error: "" };
  const message = StatusResponse.decode(
    StatusResponse.encode({
      vertexes: [
        { ...step, digest: vertex },
        { ...step, digest: silent },
      ],
      statuses: [{ id: "i", vertex, name: "copying", current: 1, total: 1, timestamp: 2, started: 1, completed: 2 }],
      logs: [{ vertex, timestamp: 2, stream: 1, data: Buffer.from("line") }],
    }),
  );
  const told = eventsOf(message).map((event) => [event.kind, event.kind === "vertex" && event.completed]);
  const [begun, ended] = [
    ["vertex", undefined],
    ["vertex", 2],
  ];
  assert.deepEqual(told, [begun, ended, ["status", false], ["log", false], ended]);
});
