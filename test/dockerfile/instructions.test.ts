// Stage 2: what instructions say, and how they are refused. UPDATE=1 writes the recorded readings of fixtures/dockerfile anew: read the difference.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import fc from "fast-check";
import { BuildError } from "../../builder/core/errors.ts";
import { readDockerfile, readInstruction } from "../../builder/dockerfile/instructions.ts";
import type { Dockerfile, Instruction } from "../../builder/dockerfile/instruction.ts";

const read = (text: string): Dockerfile => readDockerfile(Buffer.from(text), "Dockerfile");
const place = { file: "Dockerfile", range: { startLine: 3, endLine: 3 } };
const failure = (run: () => unknown): BuildError => {
  try {
    run();
  } catch (error) {
    if (error instanceof BuildError) return error;
    throw error;
  }
  return assert.fail("nothing was thrown");
};

suite("fixtures", () => {
  const folder = path.join(import.meta.dirname, "../../fixtures/dockerfile");
  for (const name of readdirSync(folder).toSorted()) {
    test(`${name} is read as recorded`, () => {
      const got = render(readDockerfile(readFileSync(path.join(folder, name, "Dockerfile")), "Dockerfile"));
      const file = path.join(folder, name, "instructions.txt");
      if (process.env["UPDATE"] === "1") writeFileSync(file, got);
      assert.equal(got, readFileSync(file, "utf8"));
    });
  }
});

/** A line an instruction: its lines, its kind, and its fields as JSON. Then the findings. */
function render(dockerfile: Dockerfile): string {
  const all = [
    ...dockerfile.globalArgs,
    ...dockerfile.stages.flatMap(({ from, instructions }) => [from, ...instructions]),
  ];
  const findings = dockerfile.findings.map(({ rule, message, range }) => `${rule} (${range?.startLine}): ${message}`);
  return [...all.map(line), ...findings, ""].join("\n");
}

function line({
  kind,
  range,
  original: _original,
  keyword: _keyword,
  comments: _comments,
  ...fields
}: Instruction): string {
  return `${range.startLine}-${range.endLine} ${kind} ${JSON.stringify(fields)}`;
}

suite("errors", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["FRUM x", "unknown instruction: FRUM (did you mean FROM?)"],
    ["rum x", "unknown instruction: rum (did you mean run?)"],
    ["XYZZY", "unknown instruction: XYZZY"],
    ["FROM a b", "FROM requires either one or three arguments"],
    ["FROM a AS 1b", `invalid name for build stage: "1b", name can't start with a number or contain symbols`],
    ["COPY a", "COPY requires at least two arguments, but only one was provided. Destination could not be determined"],
    ["COPY --chmd=1 a b", "unknown flag: --chmd (did you mean chmod?)"],
    ["COPY --from a b", "missing a value on flag: --from"],
    ["COPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"],
    ["COPY --link --link a b", "duplicate flag specified: --link"],
    ["COPY --__proto__=1 a b", "unknown flag: --__proto__"],
    ["ADD a <<E", "ADD cannot accept a heredoc as a destination"],
    ["RUN --network=x y", `invalid network mode "x"`],
    ["RUN --security=x y", `security "x" is not valid`],
    ["RUN --mount=from=$x y", "'from' doesn't support variable expansion, define alias stage instead"],
    ["ENV", "ENV requires at least one argument"],
    ["ENV =x", "ENV names can not be blank"],
    ["ARG =x", "ARG names can not be blank"],
    ["WORKDIR", "WORKDIR requires exactly one argument"],
    ['VOLUME [""]', "VOLUME specified can not be an empty string"],
    ["SHELL /bin/sh", "SHELL requires the arguments to be in JSON form"],
    ["HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"],
    ["HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"],
    ["HEALTHCHECK FOO x", `Unknown type "FOO" in HEALTHCHECK (try CMD)`],
    ["HEALTHCHECK --interval=1us CMD x", `Interval "interval" cannot be less than 1ms`],
    ["HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"],
    ["HEALTHCHECK --retries=x CMD x", `strconv.ParseInt: parsing "x": invalid syntax`],
    ["ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ["ONBUILD from a", "FROM isn't allowed as an ONBUILD trigger"],
    ["ONBUILD MAINTAINER a", "MAINTAINER isn't allowed as an ONBUILD trigger"],
    ["ONBUILD", "ONBUILD requires at least one argument"],
    ["RUN a\0b", "instruction contains a NUL byte"],
  ];
  for (const [text, message] of cases) {
    test(`${JSON.stringify(text)} is refused`, () => {
      const body = text.includes("<<E") ? `${text}\nx\nE` : text;
      const error = failure(() => read(`FROM a\n\n${body}\n`));
      assert.equal(error.code, "DOCKERFILE");
      assert.equal(error.message.replace("dockerfile parse error on line 3: ", ""), message);
      assert.equal(error.location?.range.startLine, 3);
    });
  }

  test("a long instruction's error names the line of its word", () => {
    const error = failure(() => read("FROM a\nRUN --mount=type=tmpfs,target=/x \\\n  --netwrk=none \\\n  echo\n"));
    assert.deepEqual(error.location?.range, { startLine: 2, endLine: 4 });
    assert.equal(error.hint, '"--netwrk=none" is on line 3');
  });

  test("an empty file, instructions before FROM, and a file of ARGs have their own errors", () => {
    assert.equal(failure(() => read("")).message, "the Dockerfile cannot be empty");
    assert.equal(failure(() => read("RUN x\nFRUM")).message, "no build stage in current context");
    assert.equal(failure(() => read("ARG a\n")).message, "dockerfile contains no stages to build");
  });

  test("any text is read, or refused with a BuildError", () => {
    const words = [
      "FROM",
      "a",
      "AS",
      "b",
      "RUN",
      "COPY",
      "--from=b",
      "<<E",
      "\nE\n",
      "\n",
      "HEALTHCHECK",
      "--interval=1s",
      "CMD",
      "ENV",
      "k=v",
      "ONBUILD",
      "SHELL",
      '["x"]',
      "[",
      "EXPOSE",
      "80/tcp",
      "# check=skip=all\n",
      "--mount=type=bind",
      "VOLUME",
      "\\\n",
    ];
    const text = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ unit: "binary", maxLength: 5 })), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(text, (parts) => {
        try {
          read(`FROM a\n${parts.join(" ")}`);
        } catch (error) {
          assert.ok(error instanceof BuildError, String(error));
          assert.equal(error.code, "DOCKERFILE");
        }
      }),
      { numRuns: 1000 },
    );
  });
});

suite("directives", () => {
  test("syntax and check are found behind a byte order mark and a #! line", () => {
    const { directives } = read(
      "\ufeff#!/usr/bin/env x\n# syntax=docker/dockerfile:1 more\n# check=skip=all\nFROM a\n",
    );
    assert.deepEqual(directives, { escape: "\\", syntax: "docker/dockerfile:1", check: "skip=all" });
  });

  test("each may be given once", () => {
    const error = failure(() => read("# escape=`\n# escape=`\nFROM a\n"));
    assert.equal(error.message, "only one escape parser directive can be used");
    assert.equal(error.location?.range.startLine, 2);
  });

  test("the escape character is one of two", () => {
    assert.match(failure(() => read("# escape=x\nFROM a\n")).message, /^invalid escape token 'x'/);
  });
});

suite("ONBUILD triggers of a base image", () => {
  test("a trigger with a here-document comes back as it was written", () => {
    const onbuild = read("FROM a\nONBUILD  COPY <<-E /x\n\ty\n\tE\n").stages[0]?.instructions[0];
    assert.ok(onbuild?.kind === "onbuild");
    assert.equal(onbuild.expression, "COPY <<-E /x\n\ty\nE");
    const [copy] = readInstruction(onbuild.expression, place);
    assert.ok(copy?.kind === "copy");
    assert.deepEqual(copy.inline, [{ path: "E", content: "y\n", expand: true }]);
    assert.deepEqual(copy.range, place.range);
  });

  test("FROM, two instructions, and nonsense are refused at the place given", () => {
    for (const text of ["FROM a", "RUN a\nRUN b", "BLA", ""]) {
      const error = failure(() => readInstruction(text, place));
      assert.deepEqual([error.code, error.location], ["DOCKERFILE", place]);
    }
  });
});
