import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildEvent } from "../../builder/core/events.ts";
import { excerpt } from "../../src/cli/error-text.ts";
import { PlainText } from "../../src/progress/plain.ts";
import { errorBlock, warningList } from "../../src/progress/summary.ts";
import { at, ends, LINT, moves, says, starts } from "./events.ts";

/** What a list of events and their moments prints. */
function play(list: readonly (readonly [number, BuildEvent])[]): { readonly text: string; readonly view: PlainText } {
  const view = new PlainText();
  let text = "";
  let last = 0;
  for (const [seconds, event] of list) {
    text += view.push(event, at(seconds));
    last = seconds;
  }
  return { text: text + view.end(at(last)), view };
}

const A = "[1/2] FROM alpine";
const B = "[2/2] RUN make";
const C = "[other 1/1] COPY . .";

test("steps one after the other look as BuildKit's do", () => {
  const { text } = play([
    [0, starts(A, 0)],
    [0.1, moves(A, "sha256:aa", 0, 3_400_000, 0)],
    [0.2, moves(A, "sha256:aa", 1_050_000, 3_400_000, 0)],
    [0.21, moves(A, "sha256:aa", 1_060_000, 3_400_000, 0)],
    [0.5, moves(A, "sha256:aa", 3_400_000, 3_400_000, 0, 0.5)],
    [0.6, ends(A, 0, 0.6)],
    [0.7, starts(B, 0.7)],
    [0.823, says(B, 0.823, "hello\nwor")],
    [12.7, says(B, 12.7, "ld\n")],
    [13, says(B, 13, "no line feed")],
    [13.7, ends(B, 0.7, 13.7)],
    [14, ends(C, 14, 14, { cached: true })],
  ]);
  assert.equal(
    text,
    `#1 [1/2] FROM alpine
#1 sha256:aa 0B / 3.40MB 0.1s
#1 sha256:aa 1.05MB / 3.40MB 0.2s
#1 sha256:aa 3.40MB / 3.40MB 0.5s done
#1 DONE 0.6s

#2 [2/2] RUN make
#2 0.123 hello
#2 0.123 world
#2 12.30 no line feed
#2 DONE 13.0s

#3 [other 1/1] COPY . .
#3 CACHED
`,
  );
});

test("steps at the same time take turns, and each turn begins with the step's name", () => {
  const { text } = play([
    [0, starts(A, 0)],
    [0.1, starts(B, 0.1)],
    [0.2, says(A, 0.2, "a1\n")],
    [0.3, says(B, 0.3, "b1\n")],
    [0.4, says(A, 0.4, "a2\n")],
    [0.5, starts(C, 0.5)],
    [0.6, ends(C, 0.5, 0.6)],
    [0.7, says(A, 0.7, "a3\n")],
    [7, says(A, 7, "a4\n")],
    [8, says(B, 8, "b2\n")],
    [9, ends(B, 0.1, 9)],
    [9.5, ends(A, 0, 9.5)],
  ]);
  assert.equal(
    text,
    `#1 [1/2] FROM alpine
#1 0.200 a1
#1 0.400 a2
#1 ...

#3 [other 1/1] COPY . .
#3 DONE 0.1s

#2 [2/2] RUN make
#2 0.200 b1
#2 ...

#1 [1/2] FROM alpine
#1 0.700 a3
#1 7.000 a4
#1 ...

#2 [2/2] RUN make
#2 7.900 b2
#2 DONE 8.9s

#1 [1/2] FROM alpine
#1 DONE 9.5s
`,
  );
});

test("a failed step ends with its error and, below, its last lines; what was stopped for it is cancelled", () => {
  const { text, view } = play([
    [0, starts(B, 0)],
    [0.1, says(B, 0.1, "boom\n", 2)],
    [0.2, starts(C, 0.2)],
    [0.3, ends(B, 0, 0.3, { error: 'process "/bin/sh -c make" did not complete successfully: exit code: 2' })],
    [0.4, ends(C, 0.2, 0.4, { error: "cancelled" })],
  ]);
  assert.equal(
    text + errorBlock(view.trace, 10),
    `#1 [2/2] RUN make
#1 0.100 boom
#1 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2

#2 [other 1/1] COPY . .
#2 CANCELED
------
 > [2/2] RUN make:
0.100 boom
------
`,
  );
});

test("output that is cut inside characters, overwrites itself or is no text at all becomes whole lines", () => {
  const euro = Buffer.from("€");
  const { text } = play([
    [0, starts(B, 0)],
    [0.1, says(B, 0.1, euro.subarray(0, 2))],
    [0.2, says(B, 0.2, "from the other stream\r\n", 2)],
    [0.3, says(B, 0.3, Buffer.concat([euro.subarray(2), Buffer.from("uro\n")]))],
    [0.4, says(B, 0.4, " 10%\r 50%\r100%\r\n")],
    [0.5, says(B, 0.5, Buffer.from([0xff, 0x41, 0x0a]))],
    [0.6, says(B, 0.6, "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\x1b[5A\n\n")],
    [1, ends(B, 0, 1)],
  ]);
  assert.equal(
    text,
    `#1 [2/2] RUN make
#1 0.200 from the other stream
#1 0.300 €uro
#1 0.400 100%
#1 0.500 \ufffdA
#1 0.600 \x1b[31mred\x1b[0m\x1b[0m
#1 0.600
#1 DONE 1.0s
`,
  );
});

test("a step that has had the floor for long passes it on although it goes on talking", () => {
  const view = new PlainText();
  view.push(starts(A, 0), at(0));
  view.push(starts(B, 0), at(0));
  view.push(says(B, 1, "waiting\n"), at(1));
  assert.equal(view.turn(at(4)), "");
  assert.equal(view.turn(at(5)), "#1 ...\n\n#2 [2/2] RUN make\n#2 1.000 waiting\n");
});

test("warnings are listed with file and line, and at length when asked", () => {
  const { view } = play([[0, LINT]]);
  assert.equal(
    warningList(view.trace.warnings, false, excerpt),
    "\n 1 warning found (use --debug to expand):\n - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (Dockerfile:1)\n",
  );
  const long = warningList(view.trace.warnings, true, excerpt);
  assert.match(long, /More info: https:/);
  assert.match(long, /1 \| >>> FROM x as y/);
});

test("a warning is a line of the step that found it, also when that is over", () => {
  const view = new PlainText();
  const warning = { ...LINT, vertex: ends(A, 0, 1).vertex };
  assert.equal(view.push(starts(A, 0), at(0)), "#1 [1/2] FROM alpine\n");
  const line = "#1 WARN: FromAsCasing: 'as' and 'FROM' keywords' casing do not match (Dockerfile:1)\n";
  assert.equal(view.push(warning, at(1)), line);
  assert.equal(view.push(ends(A, 0, 1), at(1)), "#1 DONE 1.0s\n");
  assert.equal(view.push(warning, at(2)), `\n#1 [1/2] FROM alpine\n${line}`);
  assert.equal(view.push(warning, at(2)), line);
  assert.equal(view.push(starts(B, 2), at(2)), "\n#2 [2/2] RUN make\n");
});
