import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { paletteOf } from "../../src/progress/colours.ts";
import { colouredText, columns, cut, plainText } from "../../src/progress/terminal-text.ts";
import { TraceFold } from "../../src/progress/trace.ts";
import { Repainter } from "../../src/progress/tty-screen.ts";
import { paintLine, renderTty } from "../../src/progress/tty.ts";
import { at, ends, moves, says, starts } from "./events.ts";

const A = "[1/2] FROM alpine";
const B = "[2/2] RUN make";

function picture(trace: TraceFold, seconds: number, size: { columns: number; rows: number }, final = false): string[] {
  return renderTty(trace, { size, now: at(seconds), final, logLines: 6 }).map(({ text }) => text);
}

test("finished steps are one line each, running ones show their parts and their last lines", () => {
  const trace = new TraceFold();
  for (const event of [
    starts(A, 0),
    moves(A, "sha256:aa", 3_000_000, 3_000_000, 0, 1),
    ends(A, 0, 1.2),
    starts(B, 1.2),
    moves(B, "upload", 500, 1000, 1.2),
    says(B, 1.3, Array.from({ length: 9 }, (_, index) => `line ${index}\n`).join("")),
    says(B, 1.4, "prompt> "),
  ])
    trace.take(event);
  assert.deepEqual(picture(trace, 3, { columns: 51, rows: 24 }), [
    "[+] Building 3.0s (1/2)",
    " => [1/2] FROM alpine                         1.2s",
    " => [2/2] RUN make                            1.8s",
    " => => upload 500B / 1.00kB                   1.8s",
    " => => # line 4",
    " => => # line 5",
    " => => # line 6",
    " => => # line 7",
    " => => # line 8",
    " => => # prompt> ",
  ]);
});

test("no line is wider than the screen and no picture higher, whatever its output", () => {
  const trace = new TraceFold();
  for (let step = 0; step < 40; step++) {
    trace.take(starts(`step ${step} ${"x".repeat(100)}`, 0));
    if (step < 35) trace.take(ends(`step ${step} ${"x".repeat(100)}`, 0, 1));
    else trace.take(says(`step ${step} ${"x".repeat(100)}`, 0.5, `\x1b[31m漢字${"y".repeat(200)}\x1b[9A\x1b[H\n`));
  }
  const lines = renderTty(trace, { size: { columns: 40, rows: 12 }, now: at(2), final: false, logLines: 6 });
  assert.ok(lines.length <= 11, String(lines.length));
  for (const { text } of lines) assert.ok(text.length <= 39 && !text.includes("\x1b"), text);
  assert.equal(lines.filter(({ text }) => / step 3[5-9] /.test(text)).length, 5, "running steps are never hidden");
});

test("a program's colours stay, its cursor movements go", () => {
  const trace = new TraceFold();
  for (const event of [starts(B, 0), says(B, 0.1, "\x1b[32mok\x1b[0m\x1b[2K\x1b[1A\n")]) trace.take(event);
  const line = renderTty(trace, { size: { columns: 80, rows: 24 }, now: at(1), final: false, logLines: 6 }).at(-1);
  assert.ok(line);
  assert.equal(paintLine(line, paletteOf("")), "\x1b[2m => => # \x1b[32mok\x1b[0m\x1b[0m\x1b[0m");
  assert.equal(paintLine(line, undefined), " => => # ok");
});

const pieces = fc.constantFrom("\x1b", "[", "2J", "31m", ";", "\x01", "\x9b", "]0;x", "\x07", "\\", "a", "\t", "\r", "漢", "✅", "e\u0301", "☀\ufe0f", "\u202e", "\u2028", "P", "?1049h"); // prettier-ignore
const hostile = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""));

test("colours are those that BUILDKIT_COLORS chooses, by name or by parts; what is none changes nothing", () => {
  assert.deepEqual(paletteOf("run=light-Cyan:error=255,165,0:cancel=mauve:nobody=red:"), {
    done: "\x1b[96m",
    error: "\x1b[38;5;214m",
    cancelled: "\x1b[33m",
    faint: "\x1b[2m",
  });
  assert.deepEqual(paletteOf("run=300,0,0:cancel=default:error=1,2"), { ...paletteOf(""), cancelled: "\x1b[39m" });
  const line = { text: " => done", paint: "done" } as const;
  assert.equal(paintLine(line, paletteOf("run=green")), "\x1b[32m => done\x1b[0m");
});

test("whatever a program writes, only colours come through, and nothing that moves the cursor", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      assert.match(plainText(text), /^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/);
      const coloured = colouredText(text).replaceAll(/\x1b\[[0-9;:]*m/g, "");
      assert.match(coloured, /^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/);
    }),
    { numRuns: 2000 },
  );
  // A control character inside a sequence, which a terminal leaves out, does not hide it.
  assert.equal(colouredText("\x1b[31mred\x1b\x01[2J"), "\x1b[31mred\x1b[0m");
  assert.equal(colouredText("\x1b[31mred\x1b\x1b[2J[2J"), "\x1b[31mred[2J\x1b[0m");
});

test("emoji and wide characters count as what a terminal makes of them, at least", () => {
  assert.deepEqual(["✅", "漢", "e\u0301", "☀\ufe0f", "🇩", "a"].map(columns), [2, 2, 1, 2, 2, 1]);
  assert.equal(cut("✅✅✅", 4), "✅…");
});

test("a window may be as small as it likes", () => {
  fc.assert(
    fc.property(hostile, fc.nat(60), fc.integer({ min: 2, max: 12 }), (text, width, rows) => {
      const trace = new TraceFold();
      for (const event of [
        ends(A, 0, 1),
        starts(`RUN ${text}`, 0),
        moves(`RUN ${text}`, text, 1, 2, 0),
        says(`RUN ${text}`, 0.1, `${text}\n${text}`),
      ])
        trace.take(event);
      const lines = picture(trace, 2, { columns: width + 1, rows });
      assert.ok(lines.length < rows, lines.join("\n"));
      for (const line of lines) assert.ok(columns(line) <= Math.max(1, width), line);
    }),
  );
});

test("the last picture shows every step and says how it ended", () => {
  const trace = new TraceFold();
  for (const event of [
    ends(A, 0, 0, { cached: true }),
    starts(B, 0),
    says(B, 0.1, "x\n"),
    ends(B, 0, 1, { error: "exit code: 1" }),
  ])
    trace.take(event);
  assert.deepEqual(picture(trace, 1, { columns: 51, rows: 2 }, true), [
    "[+] Building 1.0s (2/2) FINISHED",
    " => CACHED [1/2] FROM alpine                  0.0s",
    " => ERROR [2/2] RUN make                      1.0s",
  ]);
});

test("a repaint goes up by the rows that the last picture takes, also after the window got narrower", () => {
  const screen = new Repainter(undefined);
  const lines = [
    { text: "a".repeat(30), paint: "none" },
    { text: "b", paint: "done" },
  ] as const;
  assert.equal(screen.paint(lines, 80), `\x1b[?25l\r${"a".repeat(30)}\x1b[K\nb\x1b[K\n\x1b[J`);
  assert.ok(screen.paint(lines, 80).startsWith("\x1b[?25l\x1b[2A\r"));
  assert.ok(screen.paint(lines, 10).startsWith("\x1b[?25l\x1b[4A\r"));
  assert.equal(screen.close(), "\x1b[?25h");
});
