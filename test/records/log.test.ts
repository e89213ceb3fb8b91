// The log of a build gives back every byte, and a record tells its events again.

import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import fc from "fast-check";
import type { Digest } from "../../builder/core/digest.ts";
import { digestOf } from "../../builder/core/digest.ts";
import type { BuildEvent } from "../../builder/core/events.ts";
import { LogWriter, readLog } from "../../builder/records/log-file.ts";
import { BuildRecorder } from "../../builder/records/recorder.ts";
import { replay } from "../../builder/records/replay.ts";
import { record } from "./sample-record.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-log-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const freshPath = (): string => join(folder, String(files++));

suite("the log of a build", () => {
  test("gives back every byte, in order", () => {
    const chunk = fc.record({
      step: fc.nat(1000),
      stream: fc.constantFrom(1 as const, 2 as const),
      time: fc.nat(),
      data: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(chunk), (chunks) => {
        const path = freshPath();
        const writer = new LogWriter(path);
        for (const each of chunks) writer.push(each);
        assert.equal(writer.close(), chunks.length === 0 ? undefined : path);
        assert.deepEqual(
          [...readLog(path)].map((each) => ({ ...each, data: [...each.data] })),
          chunks.map((each) => ({ ...each, data: [...each.data] })),
        );
      }),
    );
  });

  test("is read past what is damaged, and of what is not there nothing comes", () => {
    const path = freshPath();
    assert.deepEqual([...readLog(path)], []);
    writeFileSync(path, '[0,1,5,"a"]\nnull\n{"x":1}\n[0,1,5]\nnonsense\n');
    appendFileSync(path, '[1,2,6,"b"]\n[2,1,7,"cut');
    assert.deepEqual([...readLog(path)].map(({ step }) => step), [0, 1]); // prettier-ignore
  });

  test("of a folder that cannot be written says so and does not throw", () => {
    const writer = new LogWriter(join(folder, "missing/log"));
    writer.push({ step: 0, stream: 1, time: 0, data: Buffer.alloc(100_000) });
    assert.match(writer.lack ?? "", /^output could not be written: ENOENT/);
    assert.equal(writer.close(), undefined);
  });

  test("is for its owner alone", () => {
    const path = freshPath();
    const writer = new LogWriter(path);
    writer.push({ step: 0, stream: 1, time: 0, data: Buffer.from("x") });
    assert.equal(existsSync(path), false);
    writer.close();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(readFileSync(path, "utf8"), '[0,1,0,"x"]\n');
  });
});

suite("a record tells its events again", () => {
  test("steps in order of their times, output between, warnings first", () => {
    const [a, b] = [digestOf("a"), digestOf("b")];
    const passed: BuildEvent[] = [];
    const path = freshPath();
    const recorder = new BuildRecorder((event) => void passed.push(event));
    recorder.openLog(path);
    const vertex = (digest: Digest, name: string, more: object): BuildEvent => ({
      kind: "vertex",
      vertex: digest,
      name,
      inputs: digest === b ? [a] : [],
      ...more,
    });
    const log = (digest: Digest, time: number, text: string): BuildEvent => ({
      kind: "log",
      vertex: digest,
      stream: 1,
      data: Buffer.from(text),
      time,
    });
    const events: BuildEvent[] = [
      vertex(a, "A", {}),
      vertex(b, "B", {}),
      {
        kind: "warning",
        rule: "R",
        message: "careful",
        location: { file: "Dockerfile", range: { startLine: 3, endLine: 3 } },
      },
      vertex(a, "A", { started: 10 }),
      log(a, 11, "one\n"),
      { kind: "status", vertex: a, id: "p", name: "p", current: 5, total: 9, started: 11 },
      { kind: "status", vertex: a, id: "p", name: "p", current: 9, total: 9, started: 11, completed: 12 },
      vertex(b, "B", { started: 12 }),
      log(b, 12, "two\n"),
      log(a, 13, "three\n"),
      vertex(a, "A", { started: 10, completed: 14 }),
      vertex(b, "B", { started: 12, completed: 20, error: "broken" }),
    ];
    for (const event of events) recorder.sink(event);
    assert.deepEqual(passed, events);
    assert.deepEqual(recorder.closeLog(), { path, lack: undefined });
    const timeline = recorder.timeline.timeline((text) => text.replace("careful", "***"));
    assert.equal(timeline.steps[0]?.logBytes, 10);
    const again = [...replay({ ...record("x"), timeline }, readLog(path))].map((event) =>
      event.kind === "log"
        ? `log ${Buffer.from(event.data).toString()}`
        : event.kind === "vertex"
          ? `${event.name} ${event.started ?? ""} ${event.completed ?? ""} ${event.error ?? ""}`.trim()
          : event.kind === "status"
            ? `status ${event.current}`
            : `warning ${event.message} ${event.location?.range.startLine}`,
    );
    assert.deepEqual(again, [
      "warning *** 3",
      "A 10",
      "log one\n",
      "B 12",
      "log two\n",
      "status 9",
      "log three\n",
      "A 10 14",
      "B 12 20 broken",
    ]);
  });
});
