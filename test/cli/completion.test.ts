// Completion of a command line: bash runs its script, of the others' the text is looked at.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { completionScript, SHELLS } from "../../src/cli/completion.ts";
import type { Flag } from "../../src/cli/flags.ts";

const FLAGS: readonly Flag[] = [
  { name: "context", short: "c", kind: "string", value: "URL", state: "works", help: "It's [here]: or \\there" },
  { name: "context-sub-path", kind: "string", value: "DIR", state: "works", help: "Folder" },
  { name: "old", kind: "boolean", state: "ignored", help: "Taken" },
  { name: "new", kind: "boolean", state: "later", help: "Refused" },
];
const COMPLETED = { program: "job", words: new Map([["push", "Push it"]]), flags: FLAGS };

suite("completion", () => {
  test("bash completes flags and first words", () => {
    const complete = (...words: string[]): string[] => {
      const script = `${completionScript("bash", COMPLETED)}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _job_completion; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", script, "bash", ...words], { encoding: "utf8" })
        .trim()
        .split("\n");
    };
    assert.deepEqual(complete("job", "--con"), ["--context", "--context-sub-path"]);
    assert.deepEqual(complete("job", "pu"), ["push"]);
    assert.deepEqual(complete("job", "-c", "pu"), [""], "a value is a file's name");
    assert.deepEqual(complete("job", "--ne"), [""], "what is refused is not offered");
  });

  test("every shell has all flags, and its own marks around what they are for", () => {
    for (const shell of SHELLS)
      for (const name of ["context", "context-sub-path", "old"])
        assert.match(completionScript(shell, COMPLETED), new RegExp(`(?:--|-l )${name}\\b`), `${shell} ${name}`);
    assert.match(
      completionScript("zsh", COMPLETED),
      /\{-c,--context\}'=''\[It'\\''s \\\[here\\\]\\: or \\there\]:URL:_files'/,
    );
    assert.match(completionScript("fish", COMPLETED), /-l context -s c -r -d 'It\\'s \[here\]: or \\\\there'/);
    assert.match(completionScript("powershell", COMPLETED), /@\('--context', 'It''s \[here\]: or \\there'\)/);
    assert.throws(() => completionScript("tcsh", COMPLETED), { code: "USAGE", message: /no completion for "tcsh"/ });
  });
});
