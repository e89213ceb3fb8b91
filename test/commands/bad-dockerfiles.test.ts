// Dockerfiles that cannot be built, through the whole program: one clear message with the place and the lines around it,
// exit code 65, no stack, no flood, and no long wait, whatever the file holds.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { buffer } from "node:stream/consumers";
import { isPlayedInTurn } from "../support/sample.ts";

const PROGRAM = new URL("../../bin/tsbuild.js", import.meta.url).pathname;
/** Far more than any of them takes on an idle machine. */
const LIMIT_MS = 120_000;
const MOST_OUTPUT_BYTES = 20_000;

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-test-"));
});
after(() => rm(folder, { recursive: true }));

interface Outcome {
  readonly status: number | null;
  readonly stderr: string;
}

async function build(text: string | Uint8Array, ...args: string[]): Promise<Outcome> {
  const context = await mkdtemp(join(folder, "context-"));
  await writeFile(join(context, "Dockerfile"), text);
  const words = ["--root", join(folder, "root"), "build", "--progress=none", "-o", "type=cacheonly", ...args, context];
  const child = spawn(process.execPath, [PROGRAM, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const stderr = (await buffer(child.stderr)).toString("utf8");
  return { status: await ended, stderr };
}

type Case = readonly [name: string, text: string | Uint8Array, line: number, message: RegExp | string];

const KIB = 1024;
const STAGES = Array.from({ length: 3000 }, (_, at) => `FROM s${at} AS s${at + 1}\n`).join("");

const SYNTAX: readonly Case[] = [
  ["another frontend", "# syntax=example/frontend:1\n{}\n", 1, 'the frontend "example/frontend:1" is not supported'],
  ["nothing at all", "", 1, "the Dockerfile cannot be empty"],
  ["blank lines", "\n\n", 2, "file with no instructions"],
  ["comments only", "# a\n# b\n", 2, "file with no instructions"],
  ["no stage", "ARG A=1\n", 1, "dockerfile contains no stages to build"],
  ["an instruction before FROM", "RUN x\n", 1, "no build stage in current context"],
  [
    "an unknown instruction",
    "FROM scratch\nENTRYPONT x\n",
    2,
    /unknown instruction: ENTRYPONT \(did you mean ENTRYPOINT\?\)/,
  ],
  ["an unknown flag", "FROM scratch\nCOPY --chwon=1 a /\n", 2, /unknown flag: --chwon \(did you mean chown\?\)/],
  ["a flag given twice", "FROM scratch\nCOPY --link \\\n --link a /\n", 2, /duplicate flag specified: --link/],
  ["an escape that is none", "# escape=x\nFROM scratch\n", 1, /invalid escape token 'x'/],
  [
    "a directive given twice",
    "# escape=`\n# escape=`\nFROM scratch\n",
    2,
    /only one escape parser directive can be used/,
  ],
  [
    "a wrong check directive",
    "# check=eror=true\nFROM scratch\n",
    1,
    /failed to parse check options: invalid check option "eror"/,
  ],
  ["a here-document that does not end", "FROM scratch\nCOPY <<EOF /x\nhello\n", 2, "unterminated heredoc"],
  [
    "a long here-document that does not end",
    `FROM scratch\nCOPY <<EOF /x\n${"hello\n".repeat(100_000)}`,
    2,
    "unterminated heredoc",
  ],
  [
    "a quote that does not end",
    'FROM scratch\nENV A="b\nEXPOSE 80\n',
    2,
    /unexpected end of statement while looking for matching double-quote/,
  ],
  ["a substitution that does not end", "FROM scratch\nENV A=${B\n", 2, /failed to process "\$\{B"/],
  ["a continuation at the end, then nothing", "FROM scratch\nBOGUS a \\\n", 2, /unknown instruction: BOGUS/],
  ["carriage returns", "FROM scratch\r\nBOGUS x\r\n", 2, /unknown instruction: BOGUS\n/],
  ["ONBUILD in ONBUILD", "FROM scratch\nONBUILD ONBUILD RUN x\n", 2, /Chaining ONBUILD/],
  ["ONBUILD a thousand times", `FROM scratch\n${"ONBUILD ".repeat(1000)}RUN x\n`, 2, /Chaining ONBUILD/],
  ["ONBUILD FROM", "FROM scratch\nONBUILD FROM x\n", 2, /FROM isn't allowed as an ONBUILD trigger/],
];

const BYTES: readonly Case[] = [
  ["a NUL byte", "FROM scratch\nCOPY a\0b /\n", 2, /instruction contains a NUL byte/],
  ["bytes that are not UTF-8", Buffer.from("FROM scratch\nLABEL a=\xff\xfe\n", "latin1"), 2, "line is not valid UTF-8"],
  ["UTF-16", Buffer.from("\ufeffFROM scratch\nCOPY a /\n", "utf16le"), 1, "line is not valid UTF-8"],
  [
    "a program instead of text",
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0x02, 0x80, 0xff, 0x1b, 0x5b, 0x32, 0x4a]),
    1,
    "line is not valid UTF-8",
  ],
];

const SIZES: readonly Case[] = [
  [
    "10 MB of comments",
    `FROM scratch\n${`# ${"x".repeat(97)}\n`.repeat(100_000)}BOGUS x\n`,
    100_002,
    /unknown instruction: BOGUS/,
  ],
  [
    "10 MB of instructions",
    `FROM scratch\n${`LABEL a=${"x".repeat(991)}\n`.repeat(10_000)}BOGUS x\n`,
    10_002,
    /unknown instruction: BOGUS/,
  ],
  [
    "a line of 1 MB",
    `FROM scratch\nLABEL a=${"x".repeat(KIB * KIB)}\n`,
    2,
    /line greater than max allowed size of 65535/,
  ],
  [
    "an instruction of 1 MB in many lines",
    `FROM scratch\nBOGUS ${`${"x".repeat(63)}\\\n`.repeat(16 * KIB)}x\n`,
    2,
    /unknown instruction: BOGUS/,
  ],
  ["10,000 instructions", `FROM scratch\n${"ENV A=$A\n".repeat(10_000)}EXPOSE x\n`, 10_002, "invalid containerPort: x"],
  ["3,000 stages, one on the other", `FROM scratch AS s0\n${STAGES}EXPOSE x\n`, 3002, "invalid containerPort: x"],
  [
    "substitutions in each other",
    `FROM scratch\nENV A=${"${a:-".repeat(600)}x${"}".repeat(600)}\n`,
    2,
    /failed to process/,
  ],
  ["quotes without end", `FROM scratch\nENV A=${'"\\"'.repeat(20_001)}\n`, 2, /failed to process/],
];

const MEANING: readonly Case[] = [
  [
    "stages in a circle",
    "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\n",
    4,
    "circular dependency detected on stage: a",
  ],
  [
    "a stage that copies from itself",
    "FROM scratch AS a\nCOPY --from=a / /\n",
    2,
    "circular dependency detected on stage: a",
  ],
  ["a number that no stage has", "FROM scratch\nCOPY --from=7 / /\n", 2, "invalid stage index 7"],
  [
    "a variable in --from",
    "FROM scratch AS a\nFROM scratch\nCOPY --from=$A / /\n",
    3,
    /variable expansion is not supported for --from/,
  ],
  [
    "a stage's name misspelt",
    "FROM scratch AS builder\nFROM scratch\nCOPY --from=buidler / /\n",
    3,
    /\(did you mean builder\?\)/,
  ],
  ["a stage name that cannot be one", "FROM scratch AS 1x\n", 1, /invalid name for build stage: "1x"/],
  [
    "a base name that cannot be one",
    "FROM Scratch!\n",
    1,
    /failed to parse stage name "Scratch!": invalid reference format/,
  ],
  ["a base name that is blank", "ARG X\nFROM $X\n", 2, "base name ($X) should not be blank"],
  ["a platform that is none", "FROM --platform=linux/ scratch\n", 1, /failed to parse platform linux\//],
  [
    "a mount type that is none",
    "FROM scratch\nRUN --mount=type=bogus,target=/x y\n",
    2,
    'unsupported mount type "bogus"',
  ],
  ["a port that is none", "FROM scratch\nEXPOSE 99999\n", 2, "invalid containerPort: 99999"],
  ["a signal that is none", "FROM scratch\nSTOPSIGNAL SIGFOO\n", 2, "invalid signal: SIGFOO"],
  ["a duration that is none", "FROM scratch\nHEALTHCHECK --interval=x CMD a\n", 2, /time: invalid duration "x"/],
];

let number = 0;
for (const [title, cases] of Object.entries({ SYNTAX, BYTES, SIZES, MEANING })) {
  suite(title.toLowerCase(), { concurrency: 2 }, () => {
    for (const [name, text, line, message] of cases) {
      if (!isPlayedInTurn(number++)) continue;
      test(name, { timeout: LIMIT_MS }, async () => {
        const { status, stderr } = await build(text);
        assert.equal(status, 65, stderr.slice(0, 2000));
        const first = stderr.slice(0, stderr.indexOf("\n") + 1);
        const prefix = `ERROR: Dockerfile:${line}: `;
        assert.ok(first.startsWith(prefix), first.slice(0, 200));
        if (typeof message === "string") assert.equal(first, `${prefix}${message}\n`);
        else assert.match(first, message);
        assert.ok(Buffer.byteLength(stderr) < MOST_OUTPUT_BYTES, `${stderr.length} characters of output`);
        assert.equal(stderr.split("ERROR").length, 2);
        assert.doesNotMatch(stderr, /\n {4}at /);
        if (text.length > 0) assert.match(stderr, new RegExp(`^ *${line} \\| >>>`, "m"));
        // Nothing in a file may write to the terminal.
        assert.doesNotMatch(stderr, /[\0-\x08\x0b-\x1f\x7f]/);
      });
    }
  });
}

suite("names", { concurrency: 2 }, () => {
  const stages = "FROM scratch AS build\nCOPY none /\nFROM scratch AS tests\n";

  test("an unknown target names the nearest, and the stages there are", async () => {
    const { status, stderr } = await build(stages, "--target=tets");
    assert.equal(status, 65);
    assert.equal(
      stderr,
      'ERROR: target stage "tets" could not be found (did you mean tests?)\nthe stages are build, tests\n',
    );
  });

  test("a context of a stage's name takes its place", async () => {
    const other = join(folder, "other");
    await mkdir(other, { recursive: true });
    const { status, stderr } = await build(`${stages}COPY --from=build / /\n`, `--build-context=build=${other}`);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal((await build(`${stages}COPY --from=build / /\n`)).status, 66);
  });

  test("the last of two stages of one name is the one", async () => {
    const { status, stderr } = await build(
      "FROM scratch AS a\nCOPY none /\nFROM scratch AS A\nFROM a\nCOPY <<E /x\nE\n",
    );
    assert.deepEqual([status, stderr], [0, ""]);
  });
});
