// What is given up: a stream, at once and without keeping what went by; shared work, which nobody joins any more.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { joinWork } from "../../builder/core/shared-work.ts";
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

suite("work that several ask for", () => {
  test("is begun once while it runs, and anew when it was stopped or failed, though it has not ended yet", async () => {
    const running = new Map<string, Promise<number>>();
    const [first, second] = [new AbortController(), new AbortController()];
    const { promise: stopped, reject } = Promise.withResolvers<number>();
    const join = (signal: AbortSignal, work: Promise<number>): Promise<number> =>
      joinWork(running, "key", signal, () => work);
    assert.equal(join(first.signal, stopped), join(second.signal, Promise.resolve(0)));
    first.abort();
    const begun = Promise.withResolvers<number>();
    const anew = join(second.signal, begun.promise);
    reject(new Error("stopped"));
    await assert.rejects(stopped, /stopped/);
    assert.equal(join(second.signal, Promise.resolve(0)), anew, "the old one's end takes nothing from the new one");
    begun.reject(new Error("failed"));
    await assert.rejects(anew, /failed/);
    assert.equal(await join(second.signal, Promise.resolve(3)), 3);
  });
});
