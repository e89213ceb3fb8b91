// Several mistakes in one file: all that can be found are told, and nothing that is only a consequence.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BuildError } from "../../builder/core/errors.ts";
import { convertText } from "./convert-world.ts";

/** "line: message" of the first mistake and of the others. */
async function mistakes(text: string): Promise<string[]> {
  try {
    await convertText(text);
  } catch (error) {
    assert.ok(error instanceof BuildError, String(error));
    return [error, ...error.others].map(({ location, message }) => `${location?.range.startLine}: ${message}`);
  }
  return assert.fail("nothing is wrong with it");
}

const CASES: readonly (readonly [what: string, text: string, found: readonly string[]])[] = [
  [
    "words that are no instructions, flags that are none, arguments that are missing",
    "FROM plain\nRUNN x\nCOPY --chwon=1 a /\nENV A\nUSER\nEXPOSE 80\n",
    // What cannot be taken apart comes first, as in BuildKit.
    [
      "4: ENV must have two arguments",
      "2: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)",
      "3: dockerfile parse error on line 3: unknown flag: --chwon (did you mean chown?)",
      "5: dockerfile parse error on line 5: USER requires exactly one argument",
    ],
  ],
  [
    "what follows an unknown instruction may be the rest of it",
    "FROM plain\nRUN a\n  && b\n  && c\nUSER\n",
    [
      "3: dockerfile parse error on line 3: unknown instruction: &&",
      "5: dockerfile parse error on line 5: USER requires exactly one argument",
    ],
  ],
  [
    "what follows an unknown instruction with a here-document is no instruction",
    "FROM plain\nCOPPY <<E /x\nUSER\nE\n",
    ["2: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)"],
  ],
  [
    "a here-document without end is the last that is found",
    "FROM plain\nUSER\nRUN <<E\nx\n",
    ["3: unterminated heredoc", "2: dockerfile parse error on line 2: USER requires exactly one argument"],
  ],
  [
    "without a good FROM nothing is said of stages",
    "FROM plain AS 1\nRUN x\nCOPY --from=7 a /\nEXPOSE\n",
    [
      `1: dockerfile parse error on line 1: invalid name for build stage: "1", name can't start with a number or contain symbols`,
      "4: dockerfile parse error on line 4: EXPOSE requires at least one argument",
    ],
  ],
  [
    "bases of several stages",
    "FROM $A\nFROM --platform=linux/ plain\nFROM plain\nCOPY --from=9 a /\n",
    ["1: base name ($A) should not be blank", '2: failed to parse platform linux/: "linux/" is not a platform'],
  ],
  [
    "stages that are not there",
    "FROM plain AS a\nCOPY --from=9 a /\nCOPY --from=$A a /\nSTOPSIGNAL x\n",
    [
      "2: invalid stage index 9",
      "3: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    ],
  ],
  [
    "images that are not there, each once",
    "FROM gone AS a\nFROM gone AS b\nFROM away AS c\nFROM plain\nCOPY --from=a / /\nCOPY --from=b / /\nCOPY --from=c / /\n",
    ['1: there is no image "gone"', '3: there is no image "away"'],
  ],
  [
    "instructions of all stages that are built",
    'FROM plain AS a\nEXPOSE x\nFROM plain AS unused\nEXPOSE y\nFROM a\nSTOPSIGNAL x\nENV A="${B:?}"\nVOLUME $C\nRUN --mount=type=x true\nCOPY --chmod=9 a /\n',
    [
      "2: invalid containerPort: x",
      "6: invalid signal: x",
      '7: failed to process "\\"${B:?}\\"": B: is not allowed to be unset',
      "8: VOLUME specified can not be an empty string",
      '9: unsupported mount type "x"',
      "10: invalid chmod parameter: '9'. it should be octal string and between 0 and 07777",
    ],
  ],
];

suite("mistakes in one file", () => {
  for (const [what, text, found] of CASES) {
    test(what, async () => assert.deepEqual(await mistakes(text), found));
  }

  test("of very many ten are told", async () => {
    assert.equal((await mistakes(`FROM plain\n${"USER\n".repeat(1000)}`)).length, 10);
    assert.equal((await mistakes(`FROM plain\n${"EXPOSE x\n".repeat(1000)}`)).length, 10);
  });

  test("behind the first one no rule is looked at", async () => {
    const rules: string[] = [];
    const text = "FROM plain\nENV TOKEN=1\nEXPOSE x\nENV PASSWORD=1\n";
    await assert.rejects(convertText(text, { onFinding: ({ range }) => rules.push(String(range?.startLine)) }));
    assert.deepEqual(rules, ["2"]);
  });

  test("a word that cannot be expanded still has its unknown variables told", async () => {
    const found: string[] = [];
    const text = "FROM plain\nENV A=$LOST${GONE:?}\n";
    await assert.rejects(
      convertText(text, { onFinding: ({ message }) => found.push(message) }),
      /GONE: is not allowed/,
    );
    assert.deepEqual(found, ["Usage of undefined variable '$LOST'", "Usage of undefined variable '$GONE'"]);
  });
});
