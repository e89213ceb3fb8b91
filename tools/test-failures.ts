// What failed in a run of the tests, in few lines: what whoever reads the end of a long log wants to see there.

import path from "node:path";
import type { EventData } from "node:test";
import { inspect } from "node:util";

import * as v from "valibot";

/** A test that failed, or a file that ended otherwise than by its tests. */
const Failure = v.object({
  name: v.string(),
  /** Where the test stands, `file:line` from the root of the repository. */
  place: v.string(),
  /** What was thrown, with its difference and our own part of the stack. */
  message: v.string(),
});
export type Failure = Readonly<v.InferOutput<typeof Failure>>;

/** What a run leaves in the file that TEST_SUMMARY names. */
export const TestSummary = v.object({
  failures: v.pipe(v.array(Failure), v.readonly()),
  /** Missing until the run has come to its end. */
  counts: v.optional(v.object({ passed: v.number(), failed: v.number(), skipped: v.number() })),
});
export type TestSummary = v.InferOutput<typeof TestSummary>;

/** How many lines of one message are kept: its beginning, and where it comes from. */
const HEAD_LINES = 32;
const TAIL_LINES = 8;
/** How many lines all failures of a sum may take together, and one at least. */
const ALL_LINES = 70;
const LEAST_LINES = 2;
const OUTPUT_KEPT = 4000;

/** A line of a stack that tells of node or a package; the last one may open the list of the error's fields. */
const OTHERS_FRAME =
  /\n +(?:at .*(?:node:|\/node_modules\/|\((?:<anonymous>|index \d+)\))|\.\.\. \d+ lines matching).*?( \{)?(?=\n|$)/g;

/** Gathers the failures of a run from the events of node's runner. */
export class Failures {
  readonly #root: string;
  readonly #failures: Failure[] = [];
  /** The last that each file wrote to its standard error: the only word of one that died. */
  readonly #written = new Map<string, string>();

  /** `root` is what places are relative to. */
  constructor(root: string) {
    this.#root = root;
  }

  get list(): readonly Failure[] {
    return this.#failures;
  }

  /** Something failed that no test says. */
  add(failure: Failure): void {
    this.#failures.push(failure);
  }

  /** A file wrote to its standard error. */
  wrote({ file, message }: { readonly file: string; readonly message: string }): void {
    this.#written.set(file, `${this.#written.get(file) ?? ""}${message}`.slice(-OUTPUT_KEPT));
  }

  /** A test failed. A suite whose tests failed says nothing new. */
  failed(data: EventData.TestFail): void {
    const { error } = data.details;
    if ("failureType" in error && error.failureType === "subtestsFailed") return;
    if (data.todo !== undefined && data.todo !== false) return;
    const file = data.file === undefined ? "" : path.relative(this.#root, data.file);
    const isFile = data.name === data.file;
    const messages = [describeError(error)];
    if (isFile && !(error.cause instanceof Error)) messages.push(this.#written.get(data.name) ?? "");
    this.add({
      name: isFile ? "the file itself" : data.name,
      place: `${file}:${data.line ?? 0}`,
      message: shorten(messages.join("\n").trimEnd().split("\n"), HEAD_LINES, TAIL_LINES),
    });
  }
}

/** The failures one below the other, so shortened that all of them fit on a page. */
export function formatFailures(failures: readonly Failure[]): string {
  const linesEach = Math.max(LEAST_LINES, Math.floor(ALL_LINES / failures.length) - 2);
  const shown = failures.slice(0, Math.floor(ALL_LINES / (LEAST_LINES + 2)));
  const texts = shown.map(({ name, place, message }) => {
    const lines = message.split("\n").map((line) => `    ${line}`.trimEnd());
    const tail = linesEach > TAIL_LINES * 2 ? TAIL_LINES : 0;
    return `✖ ${place}  ${name}\n${shorten(lines, linesEach - tail, tail)}\n`;
  });
  const more = failures.length - shown.length;
  if (more > 0) texts.push(`✖ and ${more} more\n`);
  return texts.join("");
}

/** An error without what node's runner and packages were doing; of an assertion the difference alone, not both values as well. */
function describeError(error: Error): string {
  const cause = error.cause ?? error;
  if (!(cause instanceof Error)) return `${typeof cause === "string" ? cause : inspect(cause)}${describeEnd(error)}`;
  const text = cause.name === "AssertionError" ? (cause.stack ?? cause.message) : inspect(cause, { depth: 3 });
  return text.replaceAll(OTHERS_FRAME, "$1");
}

/** How the process of a file ended. */
function describeEnd(error: Error): string {
  if ("signal" in error && typeof error.signal === "string") return `: ended by ${error.signal}`;
  return "exitCode" in error && typeof error.exitCode === "number" ? `: exit code ${error.exitCode}` : "";
}

function shorten(lines: readonly string[], head: number, tail: number): string {
  if (lines.length <= head + tail) return lines.join("\n");
  const kept = [...lines.slice(0, head), `    … ${lines.length - head - tail} more lines`];
  return [...kept, ...lines.slice(lines.length - tail)].join("\n");
}
