import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { findUnexpectedSkips, parseSkipList } from "../../tools/test-skips.ts";

const LIST = parseSkipList(
  JSON.stringify([{ file: "test/a.test.ts", name: "mounts", reason: "needs root", where: ["user"] }]),
);

suite("skips that CI accepts", () => {
  const skip = { file: "test/a.test.ts", name: "mounts", reason: "needs root, is uid 1000" };

  test("one on the list is fine for the runner it names, whatever its reason ends with", () => {
    assert.deepEqual(findUnexpectedSkips([skip], LIST, "user"), []);
    assert.deepEqual(findUnexpectedSkips([skip], LIST, "root"), [skip]);
  });

  test("another file, name or reason is not", () => {
    for (const other of [{ file: "test/b.test.ts" }, { name: "unmounts" }, { reason: "no time" }]) {
      assert.equal(findUnexpectedSkips([{ ...skip, ...other }], LIST, "user").length, 1);
    }
  });

  test("a list that says more or less than it should is refused", () => {
    assert.throws(() => parseSkipList('[{"file":"a","name":"b","reason":"c","where":["moon"]}]'));
    assert.throws(() => parseSkipList('[{"file":"a","name":"b","reason":"c"}]'));
  });
});
