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
  const steps = new Map<string, { readonly cutter: LogLines; lines: string[]; left: number }>();
  const add = (step: { lines: string[]; left: number }, found: readonly { readonly text: string }[]): void => {
    step.lines.push(...found.map(({ text }) => plainText(lastOverwrite(text))));
    if (step.lines.length <= 2 * MOST_LINES) return;
    step.left += step.lines.length - MOST_LINES;
    step.lines = step.lines.slice(-MOST_LINES);
  };
  for await (const event of events) {
    if (event.kind !== "log") continue;
    let step = steps.get(event.vertex);
    if (step === undefined) steps.set(event.vertex, (step = { cutter: new LogLines(), lines: [], left: 0 }));
    add(step, step.cutter.push(event.stream, event.data, event.time));
  }
  for (const step of steps.values()) {
    add(step, step.cutter.end());
    step.left += Math.max(0, step.lines.length - MOST_LINES);
    step.lines = step.lines.slice(-MOST_LINES);
  }
  return steps;
}
