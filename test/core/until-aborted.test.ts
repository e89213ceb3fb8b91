// A stream that is given up: at once, and without keeping what went by.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { untilAborted } from "../../builder/core/until-aborted.ts";

const COUNT = 50;

suite("a stream until it is given up", () => {
  test("ends with the reason although nothing comes any more, and its source is closed", async () => {
    const abort = new AbortController();
    let isClosed = false;
    async function* source(): AsyncGenerator<number> {
      try {
        yield 1;
        yield 2;
      } finally {
        isClosed = true;
      }
    }
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const one of untilAborted(source(), abort.signal)) {
        seen.push(one);
        abort.abort(new Error("enough"));
      }
    }, /enough/);
    assert.deepEqual([seen, isClosed], [[1], true]);
    const silent = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<number>>(() => undefined) }),
    };
    const late = new AbortController();
    setImmediate(() => late.abort(new Error("too late")));
    await assert.rejects(untilAborted(silent, late.signal).next(), /too late/);
  });

  test("keeps no chunk that was handed on", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void; // what the flag offers
    const given: WeakRef<Uint8Array>[] = [];
    async function* source(): AsyncGenerator<Uint8Array> {
      while (given.length < COUNT) {
        const chunk = new Uint8Array(8);
        given.push(new WeakRef(chunk));
        yield chunk;
      }
    }
    let kept = COUNT;
    for await (const chunk of untilAborted(source(), new AbortController().signal)) {
      assert.equal(chunk.length, 8);
      if (given.length < COUNT) continue;
      await nextTurn();
      collect();
      kept = given.filter((one) => one.deref() !== undefined).length;
    }
    assert.ok(kept < 5, `${kept} of ${COUNT}`);
  });
});
