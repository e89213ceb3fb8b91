import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import { HeldEvents } from "../../src/progress/held-events.ts";
import { rawJsonError, rawJsonLine } from "../../src/progress/rawjson.ts";
import { at, ends, LINT, moves, says, starts } from "./events.ts";

test("each event is one line of BuildKit's SolveStatus", () => {
  const vertex = digestOf("x");
  assert.deepEqual(JSON.parse(rawJsonLine(ends("x", 1, 2.5, { cached: true }), at(3))), {
    vertexes: [
      {
        digest: vertex,
        name: "x",
        started: "2026-01-01T00:00:01.000Z",
        completed: "2026-01-01T00:00:02.500Z",
        cached: true,
      },
    ],
  });
  assert.deepEqual(JSON.parse(rawJsonLine(says("x", 1, "a\n", 2), at(3))), {
    logs: [{ vertex, stream: 2, data: "YQo=", timestamp: "2026-01-01T00:00:01.000Z" }],
  });
  assert.deepEqual(JSON.parse(rawJsonLine(moves("x", "part", 5, 10, 1), at(3))), {
    statuses: [
      {
        id: "part",
        vertex,
        name: "part",
        total: 10,
        current: 5,
        timestamp: "2026-01-01T00:00:03.000Z",
        started: "2026-01-01T00:00:01.000Z",
      },
    ],
  });
  assert.deepEqual(JSON.parse(rawJsonLine(LINT, at(3))).warnings[0].range, [{ start: { line: 1 }, end: { line: 1 } }]);
});

test("a failure ends the stream with its kind", () => {
  assert.deepEqual(JSON.parse(rawJsonError(new BuildError("RUN_FAILED", "no", { exitCode: 69 }))), {
    error: { code: "RUN_FAILED", message: "no", exitCode: 69 },
  });
});

test("held events come in order when released, and never when dropped", () => {
  const seen = new Array<string>();
  const take = (held: HeldEvents): void => held.sink(starts("[internal] load x", 0));
  const kept = new HeldEvents(() => seen.push("kept"), 10_000);
  take(kept);
  assert.equal(seen.length, 0);
  kept.release();
  take(kept);
  assert.deepEqual(seen, ["kept", "kept"]);
  const ready = new HeldEvents(({ kind }) => seen.push(kind), 10_000);
  take(ready);
  ready.sink(starts("[1/1] RUN x", 0));
  assert.deepEqual(seen.splice(2), ["vertex", "vertex"]);
  const dropped = new HeldEvents(() => seen.push("dropped"), 10_000);
  take(dropped);
  dropped.drop();
  take(dropped);
  assert.deepEqual(seen, ["kept", "kept"]);
});

test("events are held until a step begins that is none of the preparation", () => {
  for (const [name, isPassedOn] of [
    ["[internal] load build definition from Dockerfile", false],
    ["[context base] load metadata for docker.io/library/base:latest", false],
    ["[context 1/2] RUN load", true],
    ["[1/2] RUN true", true],
  ] as const) {
    const seen: string[] = [];
    const held = new HeldEvents((event) => seen.push(event.kind), 10_000);
    held.sink(starts(name, 0));
    assert.equal(seen.length > 0, isPassedOn, name);
    held.drop();
  }
});
