// Go's filepath.Match.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { bytePath } from "../../builder/core/bytes/byte-path.ts";
import { BadPattern, compileGlob } from "../../builder/core/patterns/glob.ts";

suite("compileGlob", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["*", "abc", true],
    ["*c", "abc", true],
    ["a*", "ab/c", false],
    ["a*/b", "abc/b", true],
    ["a*b*c*d*e*/f", "axbxcxdxexxx/f", true],
    ["a*b?c*x", "abxbbxdbxebxczzx", true],
    ["a*b?c*x", "abxbbxdbxebxczzy", false],
    ["ab[c]", "abc", true],
    ["ab[b-d]", "abc", true],
    ["ab[^b-d]", "abc", false],
    ["ab[^b-d]", "abe", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "ab", false],
    ["a?b", "a\u263ab", true],
    ["a[^a]b", "a\u263ab", true],
    ["a???b", "a\u263ab", false],
    ["[a-\u03b6]*", "\u03b1", true],
    ["*[a-\u03b6]", "A", false],
    ["a?b", "a/b", false],
    ["a[^a]b", "a/b", true],
    ["[\\]a]", "]", true],
    ["[\\-x]", "-", true],
    ["*x", "xxx", true],
    ["", "", true],
    ["", "a", false],
  ];
  for (const [pattern, name, matches] of cases) {
    test(`${JSON.stringify(pattern)} ${matches ? "matches" : "does not match"} ${JSON.stringify(name)}`, () => {
      assert.equal(compileGlob(pattern)(bytePath(name)), matches);
    });
  }

  for (const pattern of ["[]a]", "[-]", "[x-]", "[-x]", "a[", "[", "[^", "[^bc", "a\\", "b*a["]) {
    test(`${pattern} breaks the syntax`, () => {
      assert.throws(() => compileGlob(pattern), BadPattern);
    });
  }
});
