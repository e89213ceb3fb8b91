// Pages of builds: the list, one that is under way with its output as it comes, and one that has ended with its timeline,
// the critical path and what came from the cache (the report of `tsbuild builds report`).

import type { ServerResponse } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { rememberedBuild, rememberedBuilds } from "../../../builder/builds.ts";
import type { BuildRecord } from "../../../builder/builds.ts";
import { asBuildError } from "../../../builder/core/errors.ts";
import { StatusResponse } from "../../api/proto/control.ts";
import { humanTook } from "../../cli/human.ts";
import { buildPage } from "../../commands/build/report.ts";
import { plainLines } from "../../progress/terminal-text.ts";
import { timelineBlocks } from "../../report/report.ts";
import { html, raw } from "../../report/html.ts";
import type { Html } from "../../report/html.ts";
import type { EndedJob, Jobs } from "../control/jobs.ts";
import { HttpError, write } from "../http/answer.ts";
import type { HttpRequest } from "../http/router.ts";
import {
  beginPage,
  momentText,
  PAGE_END,
  pageHead,
  pageLinks,
  sendFrame,
  sendMarkup,
  sendPage,
  tableOf,
} from "./page.ts";

const MOST_LISTED = 200;
const REFRESH_SECONDS = 5;

/** The builds under way, then those that are remembered, the newest first. */
export function listPage(root: string, jobs: Jobs, response: ServerResponse): void {
  const running = jobs.builds().filter(({ outcome }) => outcome.completedMs === undefined);
  const records = rememberedBuilds(root);
  const rows = [...running.toReversed().map(runningRow), ...records.slice(0, MOST_LISTED).map(recordRow)];
  const more =
    records.length > MOST_LISTED ? html`<p class="legend">${records.length - MOST_LISTED} older ones</p>` : [];
  const none = rows.length === 0 ? html`<p>Nothing was built yet.</p>` : [];
  const body = html`${none}${rows.length === 0 ? [] : tableOf(["Build", "Status", "Started", "Took", "Steps"], rows)}${more}`;
  sendPage(response, "Builds", body, running.length > 0 ? REFRESH_SECONDS : undefined);
}

/** What it is to be called, else by its ref. */
function runningName({ ref, outcome }: Pick<EndedJob, "ref" | "outcome">): string {
  const names = outcome.exporters.flatMap(({ attrs }) => attrs.get("name") ?? []);
  return names.find((name) => name !== "") ?? `Build ${ref.slice(0, 12)}`;
}

function runningRow(job: EndedJob): readonly (string | Html)[] {
  const { ref, outcome } = job;
  const states = [...outcome.steps.values()];
  const ended = states.filter((state) => state !== "known").length;
  return [
    html`<a href="/ui/running/${encodeURIComponent(ref)}">${runningName(job)}</a>`,
    html`<span class="running">running, ${ended} of ${states.length} steps</span>`,
    momentText(outcome.createdMs),
    humanTook(Date.now() - outcome.createdMs),
    `${states.filter((state) => state === "cached").length} from the cache`,
  ];
}

function recordRow({
  id,
  what,
  status,
  startedMs,
  endedMs,
  timeline,
  result,
}: BuildRecord): readonly (string | Html)[] {
  const cached = timeline.steps.filter((step) => step.cached === true).length;
  const style = status === "completed" ? "completed" : "error-status";
  const files = result?.digest === undefined ? [] : html` · <a href="/ui/builds/${id}/image">image</a>`;
  return [
    html`<a href="/ui/builds/${id}">${result?.names[0] ?? what}</a>${files}`,
    html`<span class="${style}">${status}</span>`,
    momentText(startedMs),
    humanTook(endedMs - startedMs),
    `${cached} of ${timeline.steps.length} from the cache`,
  ];
}

/** A build that has ended. Throws `HttpError` 404. */
export async function recordPage(root: string, id: string, response: ServerResponse): Promise<void> {
  const record = recordOf(root, id);
  const page = await buildPage(root, record);
  const files =
    record.result?.digest === undefined
      ? []
      : html`<p><a href="/ui/builds/${record.id}/image">Layers and files of the image</a></p>`;
  // A report stands alone; here it has the way to the other pages.
  const linked = page.replace("<main>", () => `${pageLinks().markup}<main>`);
  sendMarkup(
    response,
    linked.replace("</dl>", (end) => `${end}${html`${files}`.markup}`),
  );
}

/** A build that is remembered, by its id. Throws `HttpError` 404. */
export function recordOf(root: string, id: string): BuildRecord {
  try {
    return rememberedBuild(root, id);
  } catch (error) {
    throw new HttpError(404, asBuildError(error).message);
  }
}

/** Of the steps of a build under way: its page asks for them again and again. */
const MOST_STEPS = 300;
const TIMELINE_SECONDS = 2;

/** The steps of a build under way, as a frame of its page. */
export function timelinePage(jobs: Jobs, { parameters }: HttpRequest, response: ServerResponse): void {
  const { outcome, timeline, ref } = jobs.builds().find((one) => one.ref === parameters["ref"]) ?? {};
  if (outcome === undefined || timeline === undefined || ref === undefined) {
    sendFrame(response, html`<p class="legend">The build has ended.</p>`);
    return;
  }
  // Withheld values are no part of what is told of a build.
  const { steps } = timeline.timeline((text) => text);
  const shown = steps.slice(-MOST_STEPS);
  const record = {
    id: ref,
    startedMs: outcome.createdMs,
    endedMs: Date.now(),
    timeline: { steps: shown, warnings: [] },
  };
  const none = { output: new Map(), reasons: new Map(), layerBytes: new Map() };
  const left = steps.length - shown.length;
  const body = html`${left === 0 ? [] : html`<p class="legend">${left} steps before these</p>`}
  ${timelineBlocks({ ...none, record, isLive: true })}`;
  sendFrame(response, body, TIMELINE_SECONDS);
}

const LIVE = raw('<div class="live" tabindex="0" role="log" aria-label="Output"><pre>');

/** The output of a build under way, as it comes; the page ends with the build. */
export async function livePage(jobs: Jobs, request: HttpRequest, response: ServerResponse): Promise<void> {
  const ref = request.parameters["ref"] ?? "";
  const job = jobs.builds().find((one) => one.ref === ref);
  if (job === undefined) throw new HttpError(404, `there is no build "${ref}" any more`);
  beginPage(response);
  const frame = html`<h2>Steps</h2>
    <iframe title="Steps" src="/ui/running/${encodeURIComponent(ref)}/steps"></iframe>
    <h2>Output</h2>`;
  await write(response, `${pageHead(runningName(job)).markup}${frame.markup}${LIVE.markup}`);
  const told = new Set<string>();
  const decoders = new Map<string, StringDecoder>();
  for await (const message of job.log.messages(request.signal)) {
    const { vertexes, logs, warnings } = StatusResponse.decode(message);
    const parts: Html[] = [];
    for (const { digest, name, started, completed, cached, error } of vertexes) {
      if (started === undefined) continue;
      const state = error !== "" ? `failed: ${error}` : cached ? "cached" : completed === undefined ? "begins" : "done";
      const line = `${name} ${state}`;
      if (!told.has(`${digest} ${line}`)) parts.push(html`<b>${line}</b>${"\n"}`);
      told.add(`${digest} ${line}`);
    }
    for (const { vertex, data } of logs) {
      const decoder = decoders.get(vertex) ?? new StringDecoder("utf8");
      decoders.set(vertex, decoder);
      parts.push(html`${plainLines(decoder.write(Buffer.from(data)))}`);
    }
    for (const { short } of warnings) parts.push(html`warning: ${Buffer.from(short).toString("utf8")}${"\n"}`);
    if (parts.length > 0) await write(response, parts.map(({ markup }) => markup).join(""));
  }
  const { error } = job.outcome;
  const end = error === undefined ? "The build has ended." : `The build has failed: ${error.message}`;
  response.end(
    html`${raw("</pre></div>")}
      <p>${end} <a href="/ui">Its page is in the list.</a></p>
      ${PAGE_END}`.markup,
  );
}
