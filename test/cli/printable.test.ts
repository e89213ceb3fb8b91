// Names, sizes, times and values as they are printed.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { BuildError } from "../../builder/core/errors.ts";
import { fieldAt, fieldText } from "../../src/cli/values/field-path.ts";
import { humanAge, humanSize } from "../../src/cli/human.ts";
import { namedInJson, printable, printableName } from "../../src/cli/printable.ts";

suite("printable text", () => {
  test("has no control characters and none that turn the direction", () => {
    assert.equal(
      printable("a\x1b[2Jb\r\n\tc\x7f\u202ed\u2066\ufeff"),
      "a\\x1b[2Jb\\r\\n\\tc\\x7f\\u202ed\\u2066\\ufeff",
    );
    assert.equal(printable("größe 日本 🙂 \\"), "größe 日本 🙂 \\");
  });

  test("names keep what is text, and show each byte that is none", () => {
    const name = (bytes: Buffer): string => printableName(bytes.toString("latin1"));
    assert.equal(name(Buffer.from("größe/日本")), "größe/日本");
    assert.equal(name(Buffer.from([0x61, 0xff, 0xfe, 0x62])), "a\\377\\376b");
    assert.equal(name(Buffer.from("a\\b\n")), "a\\\\b\\n");
    // An overlong slash, a surrogate, a cut sequence: no UTF-8.
    assert.equal(name(Buffer.from([0xc0, 0xaf])), "\\300\\257");
    assert.equal(name(Buffer.from([0xed, 0xa0, 0x80])), "\\355\\240\\200");
    assert.equal(name(Buffer.from([0xe2, 0x82])), "\\342\\202");
    assert.equal(name(Buffer.from("\ufffd")), "\ufffd");
  });

  test("different names are shown differently, and never move a cursor", () => {
    const bytes = fc.uint8Array({ maxLength: 6 }).map((array) => Buffer.from(array).toString("latin1"));
    const shown = new Map<string, string>();
    fc.assert(
      fc.property(bytes, (name) => {
        const text = printableName(name);
        assert.doesNotMatch(text, /[\0-\x1f\x7f-\x9f]/);
        assert.equal(shown.get(text) ?? name, name);
        shown.set(text, name);
      }),
      { numRuns: 2000 },
    );
  });

  test("JSON has the bytes of a name that is no text", () => {
    assert.deepEqual(namedInJson("name", "plain"), { name: "plain" });
    assert.deepEqual(namedInJson("name", "\xff"), { name: "\ufffd", nameBytes: "/w==" });
  });
});

test("sizes have three digits that count", () => {
  const sizes = [0, 999, 1000, 1234, 12345, 999_499, 999_999, 1_500_000_000].map(humanSize);
  assert.deepEqual(sizes, ["0B", "999B", "1kB", "1.23kB", "12.3kB", "999kB", "1MB", "1.5GB"]);
});

test("ages are those of docker", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const age = (seconds: number): string => humanAge(new Date(now - seconds * 1000).toISOString(), now);
  const hour = 3600;
  assert.deepEqual(
    [0, 1, 30, 60, 150, hour, 30 * hour, 72 * hour, 24 * 20 * hour, 24 * 100 * hour, 24 * 800 * hour].map(age),
    [
      "Less than a second ago",
      "1 second ago",
      "30 seconds ago",
      "About a minute ago",
      "2 minutes ago",
      "About an hour ago",
      "30 hours ago",
      "3 days ago",
      "2 weeks ago",
      "3 months ago",
      "2 years ago",
    ],
  );
  assert.equal(humanAge(undefined, now), "N/A");
});

suite("a field's path", () => {
  const json = { Config: { Env: ["A=1", "B=2"], Labels: { "a.b": "x", 'c"d': "y" } }, Size: 5 };

  test("leads through names, numbers and quoted names", () => {
    assert.equal(fieldAt(json, "Config.Env[1]"), "B=2");
    assert.equal(fieldAt(json, ".Config.Env.0"), "A=1");
    assert.equal(fieldAt(json, 'Config.Labels["a.b"]'), "x");
    assert.equal(fieldAt(json, String.raw`Config.Labels["c\"d"]`), "y");
    assert.equal(fieldAt(json, "."), json);
    assert.equal(fieldText(fieldAt(json, "Size")), "5");
    assert.equal(fieldText(fieldAt(json, "Config.Env")), '["A=1","B=2"]');
  });

  test("that leads nowhere says how far it came and what there is", () => {
    const fails = (path: string, code: string, message: RegExp, hint: RegExp): void =>
      assert.throws(
        () => fieldAt(json, path),
        (error) => {
          assert.ok(error instanceof BuildError);
          assert.equal(error.code, code);
          assert.match(error.message, message);
          assert.match(error.hint ?? "", hint);
          return true;
        },
      );
    fails("Config.Enf", "INPUT_MISSING", /"Config" has no "Enf"/, /did you mean Env\?/);
    fails("Config.constructor", "INPUT_MISSING", /has no "constructor"/, /it has Env, Labels|has Env, Labels/);
    fails("Config.Env[7]", "INPUT_MISSING", /"Config.Env" has no "7"/, /has 2/);
    fails("Config.[", "USAGE", /is not a path: it breaks at ".?\["/, /write/);
  });
});
