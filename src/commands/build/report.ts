// `tsbuild builds report` and `build --report`: what is remembered of a build, as a page.

import type { BuildRecord } from "../../../builder/builds.ts";
import { eventsOfBuild, layerBytesOf, rememberedBuild } from "../../../builder/builds.ts";
import type { BuildEvent } from "../../../builder/core/events.ts";
import { whyOfBuild } from "../../../builder/why.ts";
import { LogLines } from "../../progress/log-lines.ts";
import { lastOverwrite, plainText } from "../../progress/terminal-text.ts";
import type { ReportInput, StepOutput } from "../../report/report.ts";
import { reportPage } from "../../report/report.ts";
import { writeWhole } from "./result.ts";
import { reasonLines } from "../builds/why-text.ts";

/** Of each step; the whole is in the log. */
const MOST_LINES = 1000;
/** A longer line is cut. */
const LONGEST_LINE = 4096;
/** Characters of the output of one step; of all steps together; and of each of very many. */
const MOST_OF_STEP = 512 * 1024;
const MOST_CHARACTERS = 8 * 1024 * 1024;
const FEWEST_CHARACTERS = 16 * 1024;

/** Writes the page of a build. Throws `OUTPUT`, `USAGE` and `INPUT_MISSING`. */
export async function writeReport(
  root: string,
  build: string | undefined,
  path: string,
  print: (text: string) => Promise<void>,
): Promise<void> {
  const page = await buildPage(root, rememberedBuild(root, build));
  await (path === "-" ? print(page) : writeWhole(path, page));
}

/** The page of a build, from all that is remembered of it in a store. */
export async function buildPage(root: string, record: BuildRecord): Promise<string> {
  const known = {
    record,
    reasons: reasonLines(await whyOfBuild(root, record.id)),
    layerBytes: await layerBytesOf(root, record),
  };
  return await pageOf(known, eventsOfBuild(root, record));
}

/** The page of a build, with the output that is among its events. */
export async function pageOf(
  known: Omit<ReportInput, "output">,
  events: Iterable<BuildEvent> | AsyncIterable<BuildEvent>,
): Promise<string> {
  return reportPage({ ...known, output: await outputOf(events) });
}

/** The last lines of each step. */
async function outputOf(
  events: Iterable<BuildEvent> | AsyncIterable<BuildEvent>,
): Promise<ReadonlyMap<string, StepOutput>> {
  const steps = new Map<string, OpenOutput>();
  for await (const event of events) {
    if (event.kind !== "log") continue;
    let step = steps.get(event.vertex);
    if (step === undefined)
      steps.set(event.vertex, (step = { cutter: new LogLines(), lines: [], characters: 0, left: 0 }));
    take(step, step.cutter.push(event.stream, event.data, event.time));
    if (step.lines.length > 2 * MOST_LINES || step.characters > 2 * MOST_OF_STEP) trim(step, MOST_OF_STEP);
  }
  const most = Math.max(FEWEST_CHARACTERS, MOST_CHARACTERS / Math.max(1, steps.size));
  for (const step of steps.values()) {
    take(step, step.cutter.end());
    trim(step, Math.min(most, MOST_OF_STEP));
  }
  return steps;
}

interface OpenOutput {
  readonly cutter: LogLines;
  lines: string[];
  /** Of the lines, together. */
  characters: number;
  left: number;
}

function take(step: OpenOutput, found: readonly { readonly text: string }[]): void {
  for (const { text } of found) {
    const line = shortened(plainText(lastOverwrite(text)));
    step.lines.push(line);
    step.characters += line.length;
  }
}

/** Keeps the last of the lines: those that have so many characters together, and at most `MOST_LINES`. */
function trim(step: OpenOutput, mostCharacters: number): void {
  let characters = 0;
  const tooMany = step.lines.findLastIndex((line) => (characters += line.length) > mostCharacters);
  const first = Math.max(tooMany + 1, step.lines.length - MOST_LINES, 0);
  step.left += first;
  step.lines = step.lines.slice(first);
  step.characters = step.lines.reduce((sum, line) => sum + line.length, 0);
}

function shortened(line: string): string {
  if (line.length <= LONGEST_LINE) return line;
  // A copy: a part would keep the whole in memory.
  const start = Buffer.from(line.slice(0, LONGEST_LINE)).toString();
  return `${start}… (${line.length - LONGEST_LINE} characters more)`;
}
