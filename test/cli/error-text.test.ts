import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { errorText, excerpt } from "../../src/cli/error-text.ts";

const text = "FROM alpine\nWORKDIR /w\n\nCOPY \\\n  dist/app /usr/bin/\nRUN true\nCMD x\n";

test("an error in a Dockerfile names the line, shows it among its neighbours, and says what to do", () => {
  const error = new BuildError("CONTEXT", 'COPY cannot find "dist/app" in the build context', {
    location: { file: "Dockerfile", range: { startLine: 4, endLine: 5 }, text },
    hint: '".dockerignore" line 3 ("dist") leaves it out',
  });
  assert.equal(
    errorText(error, false),
    `ERROR: Dockerfile:4: COPY cannot find "dist/app" in the build context
--------------------
   2 |     WORKDIR /w
   3 |
   4 | >>> COPY \\
   5 | >>>   dist/app /usr/bin/
   6 |     RUN true
   7 |     CMD x
--------------------
".dockerignore" line 3 ("dist") leaves it out
`,
  );
});

test("an excerpt stays inside the file", () => {
  assert.equal(
    excerpt({ file: "Dockerfile", range: { startLine: 1, endLine: 1 }, text: "FROM x\r\n" }),
    "--------------------\n   1 | >>> FROM x\n--------------------\n",
  );
  assert.equal(
    excerpt({ file: "Dockerfile", range: { startLine: 9, endLine: 9 }, text: "FROM x" }).includes(">>>"),
    false,
  );
});

test("stacks and causes are shown only when asked for", () => {
  const error = new BuildError("REGISTRY", "no", { cause: new Error("because") });
  assert.equal(errorText(error, false), "ERROR: no\n");
  assert.match(errorText(error, true), /\[REGISTRY\] BuildError: no\n +at [\s\S]*caused by: Error: because/);
});
