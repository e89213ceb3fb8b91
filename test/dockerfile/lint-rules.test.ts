// Every lint rule: Dockerfiles on which it fires, with line and message, and ones on which it must be silent. No other
// rule may fire on them either.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ConvertOptions } from "../../builder/dockerfile/convert/plan.ts";
import { convert } from "../../builder/dockerfile/convert/convert.ts";
import { readDockerfile } from "../../builder/dockerfile/instructions.ts";
import type { LintFinding } from "../../builder/dockerfile/instruction.ts";
import * as rules from "../../builder/dockerfile/lint-rules.ts";
import { DEFAULTS, smallWorld } from "./convert-world.ts";

type Case = readonly [text: string, expected: readonly string[], options?: Partial<ConvertOptions>];

const CASING = "should match the case of the command majority";
const EXEC = "to prevent unintended behavior related to OS signals";
const ONLY_LAST = "instructions should not be used in the same stage because only the last one will be used";

/** By rule. The world has images "plain", "full" (with an absolute WORKDIR and a SHELL) and "foreign" (for s390x); its context ignores *.log and tmp. */
const CASES: Readonly<Record<keyof typeof rules, readonly Case[]>> = {
  StageNameCasing: [
    ["FROM plain AS Build\nFROM build\n", ["1 Stage name 'Build' should be lowercase"]],
    ["FROM plain AS bUiLd-2\n", ["1 Stage name 'bUiLd-2' should be lowercase"]],
    ["FROM plain AS build\nFROM plain\n", []],
  ],
  FromAsCasing: [
    ["FROM plain as a\n", ["1 'as' and 'FROM' keywords' casing do not match"]],
    ["from plain AS a\n", ["1 'AS' and 'from' keywords' casing do not match"]],
    ["FROM plain As a\n", ["1 'As' and 'FROM' keywords' casing do not match"]],
    ["from plain as a\nrun x\n", []],
    ["FROM plain AS a\n", []],
  ],
  NoEmptyContinuation: [
    ["FROM plain\nRUN a \\\n\n  b\n", ["4 Empty continuation line"]],
    [
      "FROM plain\nENV A=1 \\\n\n\n B=2\nLABEL a=b \\\n \n c=d\n",
      ["5 Empty continuation line", "8 Empty continuation line"],
    ],
    ["FROM plain\nRUN a \\\n# why\n  b\n", []],
    ["FROM plain\nRUN <<E\na\n\nb\nE\n", []],
  ],
  ConsistentInstructionCasing: [
    ["FROM plain\nRun a\n", [`2 Command 'Run' ${CASING} (uppercase)`]],
    ["from plain\nrun a\nENV A=1\n", [`3 Command 'ENV' ${CASING} (lowercase)`]],
    ["FROM plain\nFrom plain\n", [`2 Command 'From' ${CASING} (uppercase)`]],
    ["from plain\nrun a\n", []],
    // ARG before the first FROM does not count.
    ["arg A=plain\nFROM $A\n", []],
  ],
  DuplicateStageName: [
    ["FROM plain AS a\nFROM plain AS a\n", ['2 Duplicate stage name "a", stage names should be unique']],
    [
      "FROM plain AS a\nFROM plain AS a\nFROM plain AS a\n",
      [
        '2 Duplicate stage name "a", stage names should be unique',
        '3 Duplicate stage name "a", stage names should be unique',
      ],
    ],
    ["FROM plain AS a\nFROM plain AS b\nFROM plain\nFROM plain\n", []],
  ],
  ReservedStageName: [
    ["FROM plain AS scratch\n", ['1 Stage name should not use the same name as reserved stage "scratch"']],
    ["FROM plain AS context\n", ['1 Stage name should not use the same name as reserved stage "context"']],
    ["FROM scratch AS contexts\n", []],
  ],
  JSONArgsRecommended: [
    ["FROM plain\nCMD a b\n", [`2 JSON arguments recommended for CMD ${EXEC}`]],
    ["from plain\nentrypoint a\n", [`2 JSON arguments recommended for entrypoint ${EXEC}`]],
    ['FROM plain\nCMD ["a"]\nENTRYPOINT ["b"]\n', []],
    // Whoever sets a shell wants one; "full" has one.
    ['FROM plain\nSHELL ["/bin/sh", "-ec"]\nCMD a\n', []],
    ["FROM full\nCMD a\n", []],
  ],
  MaintainerDeprecated: [
    ["FROM plain\nMAINTAINER me\n", ["2 Maintainer instruction is deprecated in favor of using label"]],
    [
      "from plain as a\nmaintainer me\nfrom plain\nrun a\n",
      ["2 Maintainer instruction is deprecated in favor of using label"],
    ],
    ['FROM plain\nLABEL maintainer="me"\n', []],
  ],
  UndefinedArgInFrom: [
    ["FROM plain$VERSON\n", ["1 FROM argument 'VERSON' is not declared"]],
    ["ARG VERSION\nFROM plain${VERSON}\n", ["2 FROM argument 'VERSON' is not declared (did you mean VERSION?)"]],
    [
      "FROM --platform=$BUILDPLATFORM$BUILDVARIAN plain\n",
      ["1 FROM argument 'BUILDVARIAN' is not declared (did you mean BUILDVARIANT?)"],
    ],
    ["ARG VERSION=\nFROM plain$VERSION\n", []],
    ["ARG VERSION\nFROM plain${VERSION}\n", []],
    ["FROM --platform=$BUILDPLATFORM plain\n", []],
  ],
  WorkdirRelativePath: [
    ["FROM plain\nWORKDIR a\n", ['2 Relative workdir "a" can have unexpected results if the base image changes']],
    [
      "FROM full\nWORKDIR a/b\nWORKDIR c\n",
      ['2 Relative workdir "a/b" can have unexpected results if the base image changes'],
    ],
    ["FROM plain\nWORKDIR /a\nWORKDIR b\n", []],
    ["FROM plain AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n", []],
    ["FROM plain\nENV D=/d\nWORKDIR $D/a\n", []],
  ],
  UndefinedVar: [
    ["FROM plain\nCOPY $FOO .\n", ["2 Usage of undefined variable '$FOO'"]],
    ["FROM plain\nENV PATH=/x:$PAHT\n", ["2 Usage of undefined variable '$PAHT' (did you mean $PATH?)"]],
    ["ARG A=1\nFROM plain\nLABEL x=$A\n", ["3 Usage of undefined variable '$A'"]],
    [
      "FROM plain\nARG ABCD=$EFGH\nWORKDIR /$IJKL\n",
      ["2 Usage of undefined variable '$EFGH'", "3 Usage of undefined variable '$IJKL'"],
    ],
    ["FROM plain\nCOPY <<E /x\n$FOO\nE\n", ["2 Usage of undefined variable '$FOO'"]],
    ["FROM plain\nRUN --mount=type=cache,target=/c$FOO true\n", ["2 Usage of undefined variable '$FOO'"]],
    ["FROM plain\nARG A\nENV B=$A C=$PATH\nWORKDIR /$B\n", []],
    ["FROM plain\nARG A\nCOPY a${A:-b} c${A:+d} /\n", []],
    ['FROM plain\nRUN echo $FOO\nCMD ["$FOO"]\n', []],
    ["FROM plain\nCOPY <<'E' /x\n$FOO\nE\n", []],
    ["FROM full\nENV A=$BASE\n", []],
  ],
  MultipleInstructionsDisallowed: [
    ['FROM plain\nCMD ["a"]\nCMD ["b"]\n', [`2 Multiple CMD ${ONLY_LAST}`]],
    ['FROM plain\nENTRYPOINT ["a"]\nRUN x\nENTRYPOINT ["b"]\n', [`2 Multiple ENTRYPOINT ${ONLY_LAST}`]],
    [
      "from plain\nhealthcheck none\nhealthcheck cmd a\nhealthcheck none\n",
      [`2 Multiple healthcheck ${ONLY_LAST}`, `3 Multiple healthcheck ${ONLY_LAST}`],
    ],
    ['FROM plain AS a\nCMD ["a"]\nFROM a\nCMD ["b"]\n', []],
    ['FROM plain\nCMD ["a"]\nENTRYPOINT ["a"]\nHEALTHCHECK NONE\nUSER a\nUSER b\n', []],
  ],
  LegacyKeyValueFormat: [
    ["FROM plain\nENV a b\n", ['2 "ENV key=value" should be used instead of legacy "ENV key value" format']],
    ["from plain\nlabel a b c\n", ['2 "label key=value" should be used instead of legacy "label key value" format']],
    ['FROM plain\nENV a=b c="d e"\nLABEL a=b\n', []],
  ],
  InvalidBaseImagePlatform: [
    [
      "FROM foreign\n",
      ['1 Base image foreign was pulled with platform "linux/s390x", expected "linux/amd64" for current build'],
    ],
    [
      "FROM plain\nCOPY --from=b / /\nFROM --platform=$TARGETOS/arm64 foreign AS b\nFROM plain\nCOPY --from=b / /\n",
      ['3 Base image foreign was pulled with platform "linux/s390x", expected "linux/arm64" for current build'],
    ],
    ["FROM plain\n", []],
    ["FROM --platform=$TARGETOS/s390x foreign\n", []],
  ],
  RedundantTargetPlatform: [
    [
      "FROM --platform=$TARGETPLATFORM plain\n",
      ["1 Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"],
    ],
    [
      "FROM --platform=${TARGETPLATFORM} plain\n",
      ["1 Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior"],
    ],
    ["FROM --platform=$BUILDPLATFORM plain\n", []],
    ["FROM --platform=$TARGETOS/$TARGETARCH plain\n", []],
    ["FROM --platform=${TARGETPLATFORM}${TARGETVARIANT} plain\n", []],
  ],
  SecretsUsedInArgOrEnv: [
    [
      "FROM plain\nARG AWS_SECRET_ACCESS_KEY\n",
      ['2 Do not use ARG or ENV instructions for sensitive data (ARG "AWS_SECRET_ACCESS_KEY")'],
    ],
    [
      "from plain\nenv auth=1 Db_Password=x\n",
      [
        '2 Do not use ARG or ENV instructions for sensitive data (ENV "auth")',
        '2 Do not use ARG or ENV instructions for sensitive data (ENV "Db_Password")',
      ],
    ],
    [
      "FROM plain\nARG token=a apiKey\n",
      [
        '2 Do not use ARG or ENV instructions for sensitive data (ARG "token")',
        '2 Do not use ARG or ENV instructions for sensitive data (ARG "apiKey")',
      ],
    ],
    ["FROM plain\nENV PUBLIC_KEY=a SECRET_FILE=/x TOKEN_VERSION=1 MONKEY=a AUTHOR=b\nARG KEYS\n", []],
    ["ARG TOKEN=plain\nFROM $TOKEN\n", []],
  ],
  InvalidDefaultArgInFrom: [
    [
      "ARG TAG=IN\nFROM pla$TAG\n",
      ["2 Default value for ARG pla$TAG results in empty or invalid base image name"],
      { buildArgs: new Map([["TAG", "in"]]) },
    ],
    [
      "ARG BASE\nFROM ${BASE}\n",
      ["2 Default value for ARG ${BASE} results in empty or invalid base image name"],
      { buildArgs: new Map([["BASE", "plain"]]) },
    ],
    ["ARG BASE=plain\nFROM ${BASE}\n", []],
    ["ARG BASE\nFROM ${BASE:-plain}\n", []],
  ],
  FromPlatformFlagConstDisallowed: [
    ["FROM --platform=linux/amd64 plain\n", ['1 FROM --platform flag should not use constant value "linux/amd64"']],
    [
      "FROM --platform=linux/arm64 plain AS build\nFROM plain\n",
      ['1 FROM --platform flag should not use constant value "linux/arm64"'],
    ],
    ["FROM --platform=linux/arm64 plain AS build-arm64\nFROM plain\n", []],
    ["FROM --platform=linux/arm64 plain AS linux\nFROM plain\n", []],
    ["ARG P=linux/arm64\nFROM --platform=$P plain\n", []],
  ],
  CopyIgnoredFile: [
    ["FROM plain\nCOPY a.log /\n", ['2 Attempting to Copy file "a.log" that is excluded by .dockerignore']],
    ["FROM plain\nADD ./tmp/../tmp/x y /\n", ['2 Attempting to Add file "tmp/x" that is excluded by .dockerignore']],
    ["FROM plain\nCOPY a . /\nCOPY b/a.log /\nADD https://example.com/a.log /\n", []],
    ["FROM plain AS a\nFROM plain\nCOPY --from=a a.log /\nCOPY --from=assets a.log /\n", []],
    ["FROM plain\nCOPY <<a.log /x\na.log\n", []],
  ],
  InvalidDefinitionDescription: [
    [
      "# check=experimental=all\n# base image\nARG b=plain\nFROM $b\n",
      ["3 Comment for ARG should follow the format: `# b <description>`"],
    ],
    [
      "# check=experimental=InvalidDefinitionDescription\n\n# the stage\nFROM plain AS s\n# x\nARG a=1 b=2\n",
      [
        "4 Comment for FROM should follow the format: `# s <description>`",
        "6 Comment for ARG should follow the format: `# <arg_key> <description>`",
      ],
    ],
    [
      "# check=experimental=all\n# b is the base\nARG b=plain\n# any\nFROM $b\n# any\n\nRUN x\n# b and\n# a\nARG a b\n",
      [],
    ],
    ["# base image\nARG b=plain\nFROM $b\n", []],
    ["# check=experimental=all\n# far away\n#\nARG b=plain\nFROM $b\n", []],
  ],
  ExposeProtoCasing: [
    ["FROM plain\nEXPOSE 80/TCP\n", ["2 Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"]],
    ["FROM plain\nEXPOSE 80/Udp 81/tcp\n", ["2 Defined protocol '80/Udp' in EXPOSE instruction should be lowercase"]],
    ["FROM plain\nEXPOSE 80 81/udp\n", []],
  ],
  ExposeInvalidFormat: [
    [
      "FROM plain\nEXPOSE 127.0.0.1:80:80\n",
      ["2 EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'"],
    ],
    [
      "FROM plain\nEXPOSE 8080:80/udp\n",
      ["2 EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80/udp'"],
    ],
    ["FROM plain\nEXPOSE 80-90\n", []],
  ],
};

/** Fires beside the rule that is tested, and cannot be kept from it. */
const COMPANIONS: Readonly<Record<string, readonly string[]>> = {
  UndefinedArgInFrom: ["InvalidDefaultArgInFrom"],
};

for (const rule of Object.values(rules)) {
  suite(rule.name, () => {
    for (const [text, expected, options] of CASES[rule.name as keyof typeof rules]) {
      test(`${expected.length === 0 ? "silent" : "fires"}: ${JSON.stringify(text)}`, async () => {
        const found = await findings(text, options);
        const own = found.filter((finding) => finding.rule === rule.name);
        assert.deepEqual(
          own.map(({ range, message }) => `${range?.startLine} ${message}`),
          expected,
        );
        for (const finding of own) {
          assert.equal(finding.description, rule.description);
          assert.equal(finding.url, rule.url);
        }
        const others = found.filter(
          (finding) => finding.rule !== rule.name && COMPANIONS[rule.name]?.includes(finding.rule) !== true,
        );
        assert.deepEqual(
          others.map((finding) => `${finding.rule}: ${finding.message}`),
          [],
        );
      });
    }
  });
}

test("addresses are BuildKit's, made of the names", () => {
  for (const { name, url } of Object.values(rules)) {
    if (name === "InvalidBaseImagePlatform") continue;
    const words = name.replace(/^JSON/, "Json").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    assert.equal(url, `https://docs.docker.com/go/dockerfile/rule/${words.slice(1)}/`);
  }
});

suite("stages", () => {
  const text = "FROM plain AS a\nCMD x\nFROM plain AS b\nEXPOSE 80/TCP\nFROM plain AS c\nCOPY --from=a / /\n";

  test("a build checks the stages that it needs", async () => {
    assert.deepEqual(
      (await findings(text)).map(({ rule }) => rule),
      ["JSONArgsRecommended"],
    );
    assert.deepEqual(
      (await findings(text, { target: "b" })).map(({ rule }) => rule),
      ["ExposeProtoCasing"],
    );
  });

  test("a check without target checks them all, and also one that a named context replaces", async () => {
    const all = { allStages: true };
    assert.deepEqual(
      (await findings(text, all)).map(({ rule }) => rule),
      ["JSONArgsRecommended", "ExposeProtoCasing"],
    );
    assert.deepEqual(
      (await findings("FROM plain AS tools\nWORKDIR a\n", all)).map(({ rule }) => rule),
      ["WorkdirRelativePath"],
    );
    assert.deepEqual(await findings("FROM plain AS tools\nWORKDIR a\n"), []);
  });
});

test("findings are told when they are made, also those before an error", async () => {
  const told: string[] = [];
  const text = "FROM plain AS A\nMAINTAINER x\nWORKDIR a\nCOPY --bogus a /\n";
  await assert.rejects(findings(text, {}, told), { message: /unknown flag: --bogus/ });
  assert.deepEqual(told, ["StageNameCasing", "MaintainerDeprecated"]);
  told.length = 0;
  await assert.rejects(findings("FROM plain\nWORKDIR a\nEXPOSE x\n", {}, told), {
    message: "invalid containerPort: x",
  });
  assert.deepEqual(told, ["WorkdirRelativePath"]);
});

/** All findings of a Dockerfile, each told exactly once. */
async function findings(
  text: string,
  options: Partial<ConvertOptions> = {},
  told: string[] = [],
): Promise<readonly LintFinding[]> {
  const onFinding = ({ rule }: LintFinding): void => void told.push(rule);
  const dockerfile = readDockerfile(Buffer.from(text), "Dockerfile", { onFinding });
  const plan = await convert(
    dockerfile,
    { ...DEFAULTS, ...options, onFinding },
    smallWorld(),
    new AbortController().signal,
  );
  assert.deepEqual(
    plan.findings.map(({ rule }) => rule),
    told,
  );
  return plan.findings;
}
