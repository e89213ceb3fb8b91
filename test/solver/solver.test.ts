// The solver alone: vertices with an operator that knows nothing but names.

import assert from "node:assert/strict";
import process from "node:process";
import { suite, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Digest } from "../../builder/core/digest.ts";
import { BuildError } from "../../builder/core/errors.ts";
import type { VertexEvent } from "../../builder/core/events.ts";
import type { Vertex } from "../../builder/graph/vertex.ts";
import { Bench, step } from "./bench.ts";

suite("the solver", () => {
  test("equal vertices are one, however often they stand in the graph", async () => {
    const bench = new Bench();
    const left = step("left", [step("base")]);
    const right = step("right", [step("base")]);
    assert.deepEqual(await bench.solve([step("top", [left, right]), step("base")]), [
      "top(left(base),right(base))",
      "base",
    ]);
    assert.deepEqual(bench.ran.toSorted(), ["base", "left", "right", "top"]);
  });

  test("at most so many steps at a time as there are jobs, and all that may do run at once", async () => {
    const bench = new Bench({ jobs: 3, async work() {
      await turn();
      await turn();
    } }); // prettier-ignore
    await bench.solve([
      step(
        "top",
        Array.from({ length: 20 }, (_, number) => step(`s${number}`)),
      ),
    ]);
    assert.equal(bench.most, 3);
    assert.equal(bench.ran.length, 21);
  });

  test("the first failure stops the rest, and nothing runs any more when it is told", async () => {
    let stopped = 0;
    const bench = new Bench({
      jobs: 4,
      async work(name, signal) {
        if (name === "bad") throw new BuildError("RUN_FAILED", "it is bad", { exitCode: 3 });
        await new Promise<void>((_, reject) => {
          signal.addEventListener("abort", () => setTimeout(() => {
            stopped += 1;
            reject(signal.reason as Error);
          }, 20)); // prettier-ignore
        });
      },
    });
    const slow = [step("slow1"), step("slow2"), step("never", [step("slow3")])];
    await assert.rejects(bench.solve([step("top", [...slow, step("bad")])]), { code: "RUN_FAILED", exitCode: 3 });
    assert.equal(stopped, 3);
    assert.equal(bench.running, 0);
    assert.deepEqual(bench.ran.toSorted(), ["bad", "slow1", "slow2", "slow3"]);
    const errors = bench.events
      .filter((event) => event.error !== undefined)
      .map((event) => `${event.name}: ${event.error}`);
    assert.ok(errors.includes("bad: it is bad"), errors.join());
  });

  test("a failure carries the place of its step", async () => {
    const bench = new Bench({ work: () => Promise.reject(new Error("no")) });
    const location = { file: "Dockerfile", range: { startLine: 3, endLine: 3 } };
    await assert.rejects(bench.solve([step("bad", [], { location })]), { code: "INTERNAL", location });
  });

  test("a known result is not run again, nor is anything under it; each step of it is told as CACHED once", async () => {
    const bench = new Bench();
    const chain = step("c", [step("b", [step("a")])]);
    await bench.solve([chain]);
    const again = bench.next();
    assert.deepEqual(await again.solve([chain, step("d", [chain])]), ["c(b(a))", "d(c(b(a)))"]);
    assert.deepEqual(again.ran, ["d"]);
    assert.deepEqual(names(again.events.filter((event) => event.cached)), ["a", "b", "c"]);
  });

  test("a source that was told of as CACHED is not told of again when another step opens it", async () => {
    const bench = new Bench({ transient: "source" });
    const known = step("known", [step("source")]);
    await bench.solve([known]);
    const again = bench.next();
    await again.solve([known, step("new", [known, step("source")])]);
    assert.deepEqual(again.ran, ["source", "new"]);
    assert.deepEqual(names(again.events.filter(({ name, started }) => name === "source" && started !== undefined)), [
      "source",
    ]);
  });

  test("what is put together of known results alone is told as CACHED, of a new one as made", async () => {
    const bench = new Bench({ transient: "merge" });
    const merged = (name: string): Vertex => step("merge", [step(name), step("link")]);
    const told = async (built: Bench, name: string): Promise<string[]> => {
      await built.solve([merged(name)]);
      return names(built.events.filter((event) => event.cached));
    };
    assert.deepEqual(await told(bench, "below"), []);
    assert.deepEqual(await told(bench.next(), "below"), ["below", "link", "merge"]);
    assert.deepEqual(await told(bench.next(), "other"), ["link"]);
  });

  test("what is known of the middle is taken, and only what stands on it runs", async () => {
    const bench = new Bench();
    await bench.solve([step("b", [step("a")])]);
    const again = bench.next();
    await again.solve([step("c2", [step("b", [step("a")])])]);
    assert.deepEqual(again.ran, ["c2"]);
  });

  test("a step that ignores the cache makes all that is built upon it new, but not what only reads from it", async () => {
    const bench = new Bench();
    const graph = (ignoreCache: boolean): Vertex[] => {
      const base = step("base", [], { ignoreCache });
      return [step("upon", [base]), step("reads", [step("other"), base], {}, 1)];
    };
    await bench.solve(graph(false));
    const again = bench.next();
    await again.solve(graph(true));
    assert.deepEqual(again.ran.toSorted(), ["base", "upon"]);
  });

  test("what another build is at is waited for and taken; if that one fails, it is run here", async () => {
    const other = new Bench();
    await other.solve([step("a")]);
    const taken: Bench = new Bench({
      claim: () => Promise.resolve(void taken.cache.set(keyOf(other, "a"), "a")),
    });
    assert.deepEqual(await taken.solve([step("b", [step("a")])]), ["b(a)"]);
    assert.deepEqual(taken.ran, ["b"]);
    assert.deepEqual(names(taken.events.filter((event) => event.cached)), ["a"]);
    assert.equal(taken.released.length, 2);
    const failing = new Bench({ work: () => Promise.reject(new Error("no")) });
    await assert.rejects(failing.solve([step("a")]));
    assert.deepEqual(failing.released, [keyOf(other, "a")]);
    const stopped = new Bench({ claim: () => Promise.reject(new BuildError("STORE", "no lock")) });
    await assert.rejects(stopped.solve([step("a")]), { code: "STORE" });
  });

  test("isKnown says beforehand whether anything would run, and runs nothing", async () => {
    const bench = new Bench();
    const chain = step("b", [step("a")]);
    assert.equal(await bench.isKnown([chain]), false);
    await bench.solve([chain]);
    assert.equal(await bench.next().isKnown([chain]), true);
    assert.equal(await bench.next().isKnown([step("c", [chain])]), false);
    assert.equal(await bench.next().isKnown([step("b", [step("a", [], { ignoreCache: true })])]), false);
    assert.deepEqual(bench.ran.toSorted(), ["a", "b"]);
  });

  test("an abort from outside ends it as cancelled once everything has stopped", async () => {
    const stop = new AbortController();
    const bench = new Bench({
      signal: stop.signal,
      work: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
    });
    const solved = bench.solve([step("top", [step("a"), step("b")])]);
    while (bench.running < 1) await turn();
    stop.abort(new BuildError("CANCELLED", "stopped"));
    await assert.rejects(solved, { code: "CANCELLED" });
    assert.equal(bench.running, 0);
  });

  test("a chain of 10,000 steps needs neither a deep stack nor much work", async () => {
    const chain = (): Vertex => {
      let top = step("s");
      for (let number = 1; number < 10_000; number++) top = step(String(number), [top]);
      return top;
    };
    const bench = new Bench({ plain: true });
    const started = process.cpuUsage();
    await bench.solve([chain()]);
    assert.equal(bench.ran.length, 10_000);
    const again = bench.next();
    assert.equal(await again.isKnown([chain()]), true);
    await again.solve([chain()]);
    assert.deepEqual(again.ran, []);
    const { user, system } = process.cpuUsage(started);
    assert.ok(user + system < 30e6, `${(user + system) / 1e6} s of processor time`);
  });

  test("results are on disk before the build says that it is done, also when it failed", async () => {
    const bench = new Bench({ work: (name) => (name === "bad" ? Promise.reject(new Error("no")) : Promise.resolve()) });
    await bench.solve([step("a")]);
    assert.equal(bench.settledAsked, 1);
    await assert.rejects(bench.solve([step("bad")]));
    assert.equal(bench.settledAsked, 2);
  });
});

function keyOf({ cache }: Bench, result: string): Digest {
  return [...cache].find(([, value]) => value === result)?.[0] ?? assert.fail(`nobody made ${result}`);
}

function names(events: readonly VertexEvent[]): string[] {
  return events.map(({ name }) => name);
}
