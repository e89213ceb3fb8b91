// Lists of ignore patterns.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { bytePath } from "../../builder/core/bytes/byte-path.ts";
import { compilePatterns } from "../../builder/core/patterns/pattern.ts";
import type { Verdict } from "../../builder/core/patterns/pattern.ts";

const matches = (pattern: string, path: string): boolean => compilePatterns([pattern]).matchesPath(bytePath(path));

suite("patterns", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["**", "a/b", true],
    ["**/", "a", true],
    ["a/**", "a", false],
    ["a/**", "a/b/c", true],
    ["**/a", "a", true],
    ["**/a", "x/y/a/b", true],
    ["**/a", "xa", false],
    ["**a", "x/ba", true],
    ["a/**/b", "a/b", true],
    ["a/**/b", "a/x/y/b", true],
    ["**/*.txt", "x/y.txt", true],
    ["*.txt", "x/y.txt", false],
    ["a?c", "a/c", false],
    ["a?c", "aüc", true],
    ["a[b-d]e", "ace", true],
    ["a[^b-d]e", "ace", false],
    ["a\\*", "a*", true],
    ["a\\*", "ab", false],
    ["/a", "a", false],
    ["a.b*", "axb", false],
    ["x{a,b}*", "x{a,b}c", true],
    ["é?", "été", false],
    ["é*", "éx", true],
    // Characters that Go's regexp reads in a pattern with wildcards.
    ["a{2}*", "aab", true],
    ["*|b", "anything", true],
    ["\\d*", "7", true],
    ["[[:digit:]]*", "7x", true],
  ];
  for (const [pattern, path, isMatch] of cases) {
    test(`${pattern} ${isMatch ? "matches" : "does not match"} ${path}`, () =>
      assert.equal(matches(pattern, path), isMatch));
  }

  test("names that are not UTF-8 are matched by their bytes", () => {
    assert.equal(compilePatterns(["a*"]).matchesPath("a\xff"), true);
    assert.equal(compilePatterns(["ÿ"]).matchesPath("\xff"), false);
  });

  test("later patterns win, and ! takes back", () => {
    const list = compilePatterns(["docs", "!docs/*.md", "docs/secret.md"]);
    assert.deepEqual(
      ["docs/a", "docs/a.md", "docs/secret.md", "src"].map((path) => list.matchesPath(path)),
      [true, false, true, false],
    );
    assert.equal(list.hasExceptions, true);
  });

  test("a path beneath an excluded directory is excluded, and the pattern that does it is known", () => {
    assert.equal(compilePatterns(["x", "docs", "!docs/a", "docs/a/ü?"]).deciding(bytePath("docs/b/ü")), 1);
    assert.equal(compilePatterns(["docs", "!docs/a"]).deciding(bytePath("docs/a/ü")), undefined);
    assert.equal(compilePatterns(["docs", "!docs/a", "docs/a/ü?"]).deciding(bytePath("docs/a/ü€")), 2);
  });

  test("a pattern that breaks the syntax is named", () => {
    for (const [pattern, message] of [
      ["a[", "invalid excludepatterns: [ok a[]: syntax error in pattern"],
      ["!", 'invalid excludepatterns: [ok !]: illegal exclusion pattern: "!"'],
      ["é\\é*", "invalid excludepatterns: [ok é\\é*]: syntax error in pattern"],
    ] as const) {
      assert.throws(() => compilePatterns(["ok", pattern], "DOCKERFILE"), {
        code: "DOCKERFILE",
        message,
        hint: `the pattern is "${pattern}"`,
      });
    }
  });

  test("many stars on a long name end soon", { timeout: 10_000 }, () => {
    assert.equal(matches(`${"*a".repeat(60)}b`, "a".repeat(255)), false);
    assert.equal(matches(`${"**/*a".repeat(20)}`, "a/".repeat(1000) + "a"), true);
  });
});

suite("a walk", () => {
  test("a directory is left with all beneath it where no exception can match", () => {
    const walk = compilePatterns(["a", "b", "!b/keep/*", "c/*"]).walk();
    const seen: readonly (readonly [string, boolean, Verdict])[] = [
      ["a", true, "excluded-tree"],
      ["b", true, "excluded"],
      ["b/keep", true, "excluded"],
      ["b/keep/x", false, "kept"],
      ["b/other", true, "excluded-tree"],
      ["c", true, "kept"],
      ["c/x", false, "excluded"],
      ["d", false, "kept"],
    ];
    for (const [path, isDirectory, verdict] of seen) assert.equal(walk.visit(path, isDirectory), verdict, path);
  });

  test("no pattern: all is kept", () => {
    assert.equal(compilePatterns([" ", ""]).walk().visit("a", true), "kept");
  });
});

suite("against a slow oracle", () => {
  const part = fc.constantFrom("a", "b", "ab", "*", "**", "a*", "*b", "?", "a**", "[ab]", "[^a]");
  const pattern = fc
    .tuple(fc.boolean(), fc.array(part, { minLength: 1, maxLength: 4 }))
    .map(([isException, parts]) => (isException ? "!" : "") + parts.join("/"));
  const patterns = fc.array(pattern, { minLength: 1, maxLength: 5 });
  const path = fc
    .array(fc.constantFrom("a", "b", "ab", "ba", "c"), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join("/"));

  test("matchesPath agrees", () => {
    fc.assert(
      fc.property(patterns, path, (list, name) => {
        assert.equal(compilePatterns(list).matchesPath(name), slowMatches(list, name));
      }),
      { numRuns: 2000 },
    );
  });

  test("a walk skips what is beneath an exception's first wildcards, as BuildKit's does", () => {
    const walk = compilePatterns(["**", "!ab/*/**"]).walk();
    assert.equal(walk.visit("ab", true), "excluded");
    assert.equal(walk.visit("ab/a", true), "excluded-tree"); // though the pattern matches ab/a/a
  });

  test("a walk down to a path agrees, and skips no directory with something kept in it", () => {
    fc.assert(
      fc.property(patterns, path, (list, name) => {
        const walk = compilePatterns(list).walk();
        const steps = withParents(name).toReversed();
        for (const [index, step] of steps.entries()) {
          const verdict = walk.visit(step, index < steps.length - 1);
          assert.equal(verdict !== "kept", slowWalk(list, step).isMatched, step);
          if (verdict !== "excluded-tree") continue;
          if (list.some((pattern) => /^!.*\/\*\/\*\*$/.test(pattern))) return;
          for (const below of steps.slice(index)) assert.ok(slowWalk(list, below).isMatched, below);
          return;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** moby's MatchesOrParentMatches, by trying everything. */
function slowMatches(list: readonly string[], path: string): boolean {
  let isMatched = false;
  for (const written of list) {
    const isException = written.startsWith("!");
    const pattern = isException ? written.slice(1) : written;
    if (isException === isMatched && withParents(path).some((part) => slowMatch(pattern, part)))
      isMatched = !isException;
  }
  return isMatched;
}

/** moby's MatchesUsingParentResults, from the top for every path. */
function slowWalk(list: readonly string[], path: string): { isMatched: boolean; each: boolean[] } {
  const slash = path.lastIndexOf("/");
  const parent = slash < 0 ? undefined : slowWalk(list, path.slice(0, slash));
  let isMatched = false;
  const each = list.map((written, index) => {
    const isException = written.startsWith("!");
    const isHit =
      parent?.each[index] === true ||
      (isException === isMatched && slowMatch(isException ? written.slice(1) : written, path));
    if (isHit) isMatched = !isException;
    return isHit;
  });
  return { isMatched, each };
}

function withParents(path: string): string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("/"));
}

/** One pattern against one path, by recursion over both. */
function slowMatch(pattern: string, path: string): boolean {
  if (pattern === "") return path === "";
  const doubleStar = /^\*\*\/?/.exec(pattern)?.[0];
  if (doubleStar !== undefined) {
    const rest = pattern.slice(doubleStar.length);
    if (rest === "") return true;
    if (slowMatch(rest, path)) return true;
    for (let at = 0; at < path.length; at++) {
      if (path[at] === "/" && slowMatch(rest, path.slice(at + 1))) return true;
    }
    return false;
  }
  const char = path[0];
  if (pattern.startsWith("*"))
    return (
      slowMatch(pattern.slice(1), path) || (char !== undefined && char !== "/" && slowMatch(pattern, path.slice(1)))
    );
  if (char === undefined) return false;
  if (pattern.startsWith("?")) return char !== "/" && slowMatch(pattern.slice(1), path.slice(1));
  if (pattern.startsWith("[ab]")) return "ab".includes(char) && slowMatch(pattern.slice(4), path.slice(1));
  if (pattern.startsWith("[^a]")) return char !== "a" && slowMatch(pattern.slice(4), path.slice(1));
  return pattern[0] === char && slowMatch(pattern.slice(1), path.slice(1));
}
