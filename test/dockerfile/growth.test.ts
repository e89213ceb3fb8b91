// Long Dockerfiles of shapes that are easily made to cost the square of their length: with such work none of these would
// end in the time a test has. `node tools/soak/growth.ts` measures all shapes.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { convertText } from "./convert-world.ts";
import { SHAPES } from "./shapes.ts";

const LIMIT_MS = 60_000;
/** How many times the size that takes some milliseconds. */
const FACTOR = 4;

const HARD: readonly (keyof typeof SHAPES)[] = [
  "ENV, names that differ",
  "ENV, each from the one before",
  "ARG, one instruction",
  "ARG before FROM",
  "LABEL, keys that differ",
  "VOLUME",
  "ONBUILD, and a child",
  "ONBUILD, and many children",
  "RUN behind many ARG",
  "stages in a chain, with ENV",
  "stages in a chain, with ARG",
  "stages in a chain of triggers",
  "unknown variables",
  "unknown variables in FROM",
];

suite("a file many times as long takes not many more times as long", { timeout: LIMIT_MS }, () => {
  for (const name of HARD) {
    test(name, async () => {
      const [n, make] = SHAPES[name] ?? [0, String];
      const plan = await convertText(make(FACTOR * n));
      assert.ok(plan.history.length > 0);
    });
  }
});

suite("what a few lines ask for without end is refused", { timeout: LIMIT_MS }, () => {
  const doubled = (times: number): string => `FROM plain\nENV A=${"a".repeat(16)}\n${"ENV A=$A$A\n".repeat(times)}`;
  const CASES: readonly (readonly [what: string, text: string, message: RegExp])[] = [
    ["a value", doubled(40), /config is larger than|longer than/],
    ["all values together", `${doubled(15)}LABEL ${"a=$A b=$A \\\n".repeat(1000)}c=d\n`, /config is larger than/],
    ["a variable that no program can be given", `${doubled(14)}RUN x\n`, /the variable A is too long to run/],
    ["a replacement", `${doubled(15)}ENV B=\${A//a/$A}\n`, /longer than/],
    ["ports of one instruction", `FROM plain\nEXPOSE ${"1-65535 ".repeat(100)}\n`, /more than 200000 ports/],
    ["ports of many", `FROM plain\n${"EXPOSE 1-65535\n".repeat(300)}`, /config is larger than/],
    ["a wildcard on a long value", `${doubled(15)}ENV B=\${A##${"?".repeat(1000)}x}\n`, /is not matched against/],
  ];
  for (const [what, text, message] of CASES) {
    test(what, async () => {
      await assert.rejects(convertText(text), (error) => {
        assert.ok(error instanceof BuildError, String(error));
        assert.match(error.message, message);
        assert.ok(error.location !== undefined);
        return true;
      });
    });
  }
});
