// Lint findings of the text, and what switches them off.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { readDockerfile } from "../../builder/dockerfile/instructions.ts";
import { Linter, parseCheck } from "../../builder/dockerfile/lint.ts";
import { MaintainerDeprecated, StageNameCasing } from "../../builder/dockerfile/lint-rules.ts";

const findings = (text: string, check?: string): string[] =>
  readDockerfile(Buffer.from(text), "Dockerfile", { check }).findings.map(
    ({ rule, message, range }) => `${range?.startLine} ${rule}: ${message}`,
  );

suite("findings while reading", () => {
  test("stages: casing, duplicates, reserved names", () => {
    assert.deepEqual(findings("FROM a as B\nFROM a AS b\nFROM a AS scratch\n"), [
      "1 StageNameCasing: Stage name 'B' should be lowercase",
      "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match",
      '2 DuplicateStageName: Duplicate stage name "b", stage names should be unique',
      '3 ReservedStageName: Stage name should not use the same name as reserved stage "scratch"',
    ]);
  });

  test("keywords follow the majority; a tie is upper case; mixed case follows neither", () => {
    const text = (keyword: string): string => `Command '${keyword}' should match the case of the command majority`;
    assert.deepEqual(findings("from a\nrun b\nRUN c\n"), [`3 ConsistentInstructionCasing: ${text("RUN")} (lowercase)`]);
    assert.deepEqual(findings("from a\nRUN c\n"), [`1 ConsistentInstructionCasing: ${text("from")} (uppercase)`]);
    assert.deepEqual(findings("FROM a\nRun c\n"), [`2 ConsistentInstructionCasing: ${text("Run")} (uppercase)`]);
  });

  test("empty continuation lines come first, at the instruction's last line", () => {
    assert.deepEqual(findings("FROM a\nMAINTAINER x\nRUN a \\\n\n b\n"), [
      "5 NoEmptyContinuation: Empty continuation line",
      "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label",
    ]);
  });

  test("descriptions of stages and ARGs are checked only when asked for", () => {
    const text = "# wrong\nARG a=1\n# a is right\nARG a\n# any\nARG b c\n# stage\nFROM x AS y\n";
    assert.deepEqual(findings(text), []);
    assert.deepEqual(findings(text, "experimental=all"), [
      "2 InvalidDefinitionDescription: Comment for ARG should follow the format: `# a <description>`",
      "6 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`",
      "8 InvalidDefinitionDescription: Comment for FROM should follow the format: `# y <description>`",
    ]);
  });
});

suite("check options", () => {
  test("the file, the request instead of it, or a comment above an instruction switch rules off", () => {
    const body = "FROM a\nMAINTAINER x\n";
    assert.equal(findings(body).length, 1);
    assert.equal(findings(`# check=skip=MaintainerDeprecated\n${body}`).length, 0);
    assert.equal(findings(`# check=skip=all\n${body}`, "").length, 1);
    assert.equal(findings("FROM a\n# check=skip=MaintainerDeprecated\nMAINTAINER x\nMAINTAINER y\n").length, 1);
  });

  test("skip, experimental and error are read; anything else is refused", () => {
    assert.deepEqual(parseCheck(" skip=A, B ; error=true;experimental=all"), {
      skip: new Set(["A", "B"]),
      experimental: "all",
      failsBuild: true,
    });
    for (const text of ["x", "x=y", "error=maybe", "skip=a;x;error=true"]) {
      assert.throws(() => parseCheck(text), { code: "DOCKERFILE", message: /^failed to parse check options: / });
    }
  });

  test("findings fail the build when they are errors", () => {
    const strict = new Linter(parseCheck("error=true"));
    strict.throwIfFailing();
    strict.report(MaintainerDeprecated, undefined);
    strict.report(StageNameCasing, undefined, "B");
    strict.report(StageNameCasing, undefined, "C");
    assert.throws(() => strict.throwIfFailing(), {
      code: "DOCKERFILE",
      message: "lint violation found for rules: MaintainerDeprecated, StageNameCasing",
    });
  });
});
