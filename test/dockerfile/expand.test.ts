// Words with variables.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { BuildError } from "../../builder/core/errors.ts";
import { expandWord, expandWords } from "../../builder/dockerfile/expand.ts";
import type { ExpandOptions } from "../../builder/dockerfile/expand.ts";

const env = new Map([
  ["v", "value"],
  ["empty", ""],
  ["file", "/a/b/c.tar.gz"],
  ["spaces", " x  y "],
  ["lines", "a1\nb2"],
  ["star", "a*b"],
]);
const expand = (word: string, options?: ExpandOptions): string => expandWord(word, env, "\\", options).result;

suite("expandWord", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["$v.${v}$$", "value.value"],
    ["'$v'\"$v\"\\$v", "$vvalue$v"],
    [String.raw`"\$v \n \\"`, String.raw`$v \n \ `.trimEnd()],
    ["a\\", "a"],
    ["${none-w}|${empty-w}|${empty:-w}|${v:-w}", "w||w|value"],
    ["${none+w}|${empty+w}|${empty:+w}|${v:+w}", "|w||w"],
    ["${none:-${empty:-$v}}", "value"],
    ["${none:-'a}b'}", "a}b"],
    ["${v:?x}${empty?x}", "value"],
    ["${file#*/}|${file##*/}|${file%.*}|${file%%.*}", "a/b/c.tar.gz|c.tar.gz|/a/b/c.tar|/a/b/c"],
    ["${file#?a}|${file#nothing}|${v%%*}", "/b/c.tar.gz|/a/b/c.tar.gz|"],
    ["${file/\\//-}|${file//\\//-}", "-a/b/c.tar.gz|-a-b-c.tar.gz"],
    ["${v//a*u/X}|${v//?/-}|${v///-}", "vXe|-----|-v-a-l-u-e-"],
    ["${v//l/'<$0>'}", "va<l>ue"],
    ["${star/\\*/-}", "a-b"],
    ["${lines%1*}|${lines#*b}", "a1\nb2|a1\nb2"],
    ["${lines%2*}", "a1\nb"],
    ["a << b", "a << b"],
  ];
  for (const [word, result] of cases) {
    test(`${word} becomes ${JSON.stringify(result)}`, () => assert.equal(expand(word), result));
  }

  test("the escape character is the file's", () => {
    assert.equal(expandWord("`$v \\$v", env, "`").result, "$v \\value");
  });

  test("options keep quotes, escapes, and references to what is not set", () => {
    assert.equal(expand(`'$v' "$v"`, { rawQuotes: true }), `'$v' "value"`);
    assert.equal(expand("\\$v", { rawEscapes: true }), "\\$v");
    assert.equal(expand(`'$v"`, { skipQuotes: true }), `'value"`);
    assert.equal(
      expand("$n ${n} ${n:-w} ${n#w} ${n//a/b} $v", { skipUnset: true }),
      "$n ${n} ${n:-w} ${n#w} ${n/a/b} value",
    );
  });

  test("it says which names were set and which not", () => {
    const { matched, unmatched } = expandWord("$v ${none:-$other} $empty", env, "\\");
    assert.deepEqual(
      [[...matched], [...unmatched]],
      [
        ["v", "empty"],
        ["other", "none"],
      ],
    );
  });

  const errors: readonly (readonly [string, string])[] = [
    ["'a", `failed to process "'a": unexpected end of statement while looking for matching single-quote`],
    ['"a', `failed to process "\\"a": unexpected end of statement while looking for matching double-quote`],
    ["${", `failed to process "\${": syntax error: missing '}'`],
    ["${}", `failed to process "\${}": syntax error: bad substitution`],
    ["${v", `failed to process "\${v": unsupported modifier (\ufffd) in substitution`],
    ["${v:-w", `failed to process "\${v:-w": syntax error: missing '}'`],
    ["${v/a}", `failed to process "\${v/a}": syntax error: missing '/' in \${}`],
    ["${v:=w}", `failed to process "\${v:=w}": unsupported modifier (:=) in substitution`],
    ["${v:#w}", `failed to process "\${v:#w}": unsupported modifier (:#) in substitution`],
    ["${none:?why}", `failed to process "\${none:?why}": none: why`],
    ["${empty:?}", `failed to process "\${empty:?}": empty: is not allowed to be empty`],
    ["${v#\\a}", `failed to process "\${v#\\\\a}": invalid pattern (\\a) in substitution: invalid escape '\\a'`],
  ];
  for (const [word, message] of errors) {
    test(`${word} is refused`, () => assert.throws(() => expand(word), { code: "DOCKERFILE", message }));
  }

  test("a result of any length, and any depth, ends", { timeout: 20_000 }, () => {
    const long = new Map([["x", "x".repeat(10_000_000)]]);
    assert.throws(() => expandWord("$x".repeat(100), long, "\\"), /longer than/);
    assert.throws(() => expand("${a:-".repeat(100_000)), /nested too deeply/);
    const hard = new Map([["x", "a".repeat(5000)]]);
    assert.equal(expandWord(`\${x##${"*a".repeat(50)}b}`, hard, "\\").result.length, 5000);
  });

  test("any word is expanded, or refused with a BuildError", () => {
    const pieces = ["$", "{", "}", ":", "-", "+", "?", "#", "%", "/", "'", '"', "\\", "v", "empty", "*", "<<", " "];
    const word = fc.array(
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...pieces) }, fc.string({ unit: "binary" })),
    );
    const options = fc.record({
      rawQuotes: fc.boolean(),
      rawEscapes: fc.boolean(),
      skipQuotes: fc.boolean(),
      skipUnset: fc.boolean(),
    });
    fc.assert(
      fc.property(word, options, fc.constantFrom("\\", "`"), (parts, modes, escape) => {
        try {
          expandWord(parts.join(""), env, escape, modes);
          expandWords(parts.join(""), env, escape, modes);
        } catch (error) {
          assert.ok(error instanceof BuildError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

suite("expandWords", () => {
  test("it splits at white space that is not quoted, also of values", () => {
    assert.deepEqual(
      expandWords(`a$spaces'b c' "$spaces"`, env, "\\"),
      ["a", "x", "y", "b c", " x  y "].toSpliced(3, 1, "b c"),
    );
    assert.deepEqual(expandWords("$empty ''", env, "\\"), []);
  });

  test("a word with a default in it loses what stood before, as in BuildKit", () => {
    assert.deepEqual(expandWords("ab${none:-c}d", env, "\\"), ["cd"]);
  });
});
