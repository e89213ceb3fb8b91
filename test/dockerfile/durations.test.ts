// Go's durations.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseDuration } from "../../builder/dockerfile/durations.ts";

suite("parseDuration", () => {
  test("numbers with units add up, in nanoseconds", () => {
    assert.equal(parseDuration("1h15m30.918s"), 4_530_918_000_000);
    assert.equal(parseDuration("-1.5h"), -5_400_000_000_000);
    assert.equal(parseDuration("+.5ms"), 500_000);
    assert.equal(parseDuration("1µs2us3μs4ns"), 6004);
    assert.equal(parseDuration("0"), 0);
    assert.equal(parseDuration("1.s"), 1_000_000_000);
    assert.equal(parseDuration("0.3333333333333333333h"), 1_200_000_000_000 - 1);
  });

  test("what Go refuses is refused, with its text", () => {
    for (const text of ["", "-", ".s", "s", "2562048h", "9223372036854775808ns", `${"9".repeat(10_000)}s`]) {
      assert.throws(() => parseDuration(text), { message: `time: invalid duration "${text}"` });
    }
    assert.throws(() => parseDuration("5"), { message: 'time: missing unit in duration "5"' });
    assert.throws(() => parseDuration("5 s"), { message: 'time: unknown unit " s" in duration "5 s"' });
  });
});
