// Ignore files as text; what patterns mean is tested in test/core/pattern.test.ts.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { readIgnore } from "../../builder/dockerfile/dockerignore.ts";

suite("readIgnore", () => {
  test("comments and empty lines go, paths are cleaned and made relative, order stays", () => {
    const text = "\ufeff# no\n /a//b/../c/ \r\n\n!  /d/\n #e\n.\n/\n!\nx/**\n";
    assert.deepEqual(readIgnore(text), ["a/c", "!d", "#e", ".", "/", "!", "x/**"]);
  });

  test("a line that is too long is refused", () => {
    assert.throws(() => readIgnore(`a\n${"b".repeat(65_536)}\n`), { code: "CONTEXT", message: /^line 2 / });
  });
});
