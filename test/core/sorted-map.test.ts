// Maps of which many versions are kept.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { append, itemsOf } from "../../builder/core/shared-list.ts";
import type { SharedList } from "../../builder/core/shared-list.ts";
import { SortedMap } from "../../builder/core/sorted-map.ts";
import type { Change } from "../../builder/core/sorted-map.ts";

type Model = ReadonlyMap<string, number>;

const name = fc.integer({ min: 0, max: 40 }).map((number) => `n${number}`);
const change = fc.tuple(name, fc.option(fc.nat(), { nil: undefined, freq: 2 }));
/** Some changes at once, made to one of the versions there are by then. */
const step = fc.record({ changes: fc.array(change, { maxLength: 30 }), version: fc.nat() });

suite("a sorted map", () => {
  test("every version stays what it was, whatever is made from it", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const versions: { map: SortedMap<number>; model: Model }[] = [{ map: SortedMap.empty(), model: new Map() }];
        for (const { changes, version } of steps) {
          const from = versions[version % versions.length];
          assert.ok(from);
          const once: readonly Change<number>[] = [...new Map(changes)];
          versions.push({ map: from.map.withAll(once), model: changed(from.model, once) });
          const [first] = once;
          if (first?.[1] !== undefined)
            versions.push({ map: from.map.with(first[0], first[1]), model: changed(from.model, [first]) });
        }
        for (const { map, model } of versions) same(map, model);
      }),
    );
  });

  test("a hundred thousand names in order, and one of them", () => {
    let map = SortedMap.empty<number>();
    for (let at = 0; at < 100_000; at++) map = map.with(String(at).padStart(6, "0"), at);
    assert.equal(map.size, 100_000);
    assert.equal(map.get("077777"), 77_777);
    assert.equal(map.names()[99_999], "099999");
  });
});

test("a shared list goes on in several ways", () => {
  const start = ["a", "b"].reduce<SharedList<string>>(append, undefined);
  assert.deepEqual(itemsOf(append(start, "c")), ["a", "b", "c"]);
  assert.deepEqual(itemsOf(append(start, "d")), ["a", "b", "d"]);
  assert.deepEqual(itemsOf(undefined), []);
});

function changed(model: Model, changes: readonly Change<number>[]): Model {
  const next = new Map(model);
  for (const [key, value] of changes) {
    if (value === undefined) next.delete(key);
    else next.set(key, value);
  }
  return next;
}

function same(map: SortedMap<number>, model: Model): void {
  const found: [string, number][] = [];
  map.forEach((value, key) => found.push([key, value]));
  assert.deepEqual(
    found,
    [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  assert.equal(map.size, model.size);
  for (const [key, value] of model) assert.equal(map.get(key), value);
  assert.equal(map.get("none"), undefined);
}
