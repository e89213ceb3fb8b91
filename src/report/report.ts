// A build as one HTML page that needs nothing else: no script, no address, no font. For whoever gets it by mail or finds it
// among the artifacts of a CI run.

import type { BuildRecord } from "../../builder/records/build-record.ts";
import type { TimelineStep } from "../../builder/records/timeline.ts";
import { humanSize, humanTook } from "../cli/human.ts";
import { criticalPath } from "./critical-path.ts";
import { failureText } from "./failure-text.ts";
import type { Html } from "./html.ts";
import { html, raw } from "./html.ts";
import { STYLE } from "./style.ts";

/** What a page shows of the output of one step. */
export interface StepOutput {
  /** The last lines, without escape sequences. */
  readonly lines: readonly string[];
  /** Lines before them that are left out. */
  readonly left: number;
}

/** A build and what is known of its steps, by vertex. */
export interface ReportInput {
  readonly record: BuildRecord;
  readonly output: ReadonlyMap<string, StepOutput>;
  /** Why a step ran, as text. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Bytes of the files in a step's layer; of a base image in all of them. */
  readonly layerBytes: ReadonlyMap<string, number>;
}

/** What a timeline is made of: a build's, or what is known of one under way. */
export type TimelineInput = Omit<ReportInput, "record"> & {
  readonly record: Pick<BuildRecord, "id" | "startedMs" | "endedMs" | "timeline">;
  /** Under way: what has not ended is running, and `endedMs` is now. */
  readonly isLive?: boolean;
};

/** The steps of a build one below the other, each with its bar in the time of the whole. */
export function timelineBlocks(input: TimelineInput): readonly Html[] {
  const { timeline, endedMs } = input.record;
  const path = new Set(criticalPath(input.isLive === true ? stoppedAt(timeline.steps, endedMs) : timeline.steps));
  return timeline.steps.map((step, at) => stepBlock(step, at, path.has(at), input));
}

/** What a build under way waits for is its critical path until now. */
function stoppedAt(steps: readonly TimelineStep[], nowMs: number): readonly TimelineStep[] {
  return steps.map((step) =>
    step.startedMs === undefined || step.completedMs !== undefined ? step : { ...step, completedMs: nowMs },
  );
}

/** The page. Nothing of a build is markup in it, whatever it holds. */
export function reportPage(input: ReportInput): string {
  const { record } = input;
  const { id, what, failure } = record;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>Build ${id} of ${what}</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <main>
          <h1>${what}</h1>
          ${head(record)}
          ${
            failure === undefined
              ? []
              : html`<h2>Failure</h2>
                  <pre class="error">${failureText(failure)}</pre>`
          }
          <h2>Steps</h2>
          <p class="legend">
            From the first event to the last ${humanTook(record.endedMs - record.startedMs)}. &#9670; and orange: the
            critical path, which the build had to wait for. Green: from the cache. A step opens to what it printed.
          </p>
          ${timelineBlocks(input)} ${warnings(record)}
          <p class="legend">tsbuild ${record.version}, build ${id}</p>
        </main>
      </body>
    </html> `;
  return page.markup;
}

function head({ id, status, startedMs, endedMs, timeline, request, result }: BuildRecord): Html {
  const cached = timeline.steps.filter((step) => step.cached === true).length;
  const { context, namedContexts, dockerfile, target, platforms, buildArgs, noCache, secrets } = request;
  const rows: readonly (readonly [string, string])[] = [
    ["Build", id],
    ["Status", status],
    ["Started", new Date(startedMs).toISOString()],
    ["Took", humanTook(endedMs - startedMs)],
    ["Steps", `${timeline.steps.length}, ${cached} from the cache`],
    ["Context", context],
    ...Object.entries(namedContexts).map(([name, text]) => ["Named context", `${name}=${text}`] as const),
    ["Dockerfile", dockerfile],
    ...(target === undefined ? [] : [["Target", target] as const]),
    ...(platforms.length === 0 ? [] : [["Platforms", platforms.join(", ")] as const]),
    ...Object.entries(buildArgs).map(([name, value]) => ["Build arg", `${name}=${value}`] as const),
    ...(noCache === false ? [] : [["No cache", noCache === true ? "all steps" : noCache.join(", ")] as const]),
    ...(secrets.length === 0 ? [] : [["Secrets", secrets.join(", ")] as const]),
    ...(result?.names ?? []).map((name) => ["Name", name] as const),
    ...(result?.digest === undefined ? [] : [["Digest", result.digest] as const]),
    ...(result?.images ?? []).map(({ platform, imageId }) => ["Image id", `${imageId} (${platform})`] as const),
  ];
  return html`<dl>
    ${rows.map(
      ([label, value]) =>
        html`<dt>${label}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

function stepBlock(step: TimelineStep, at: number, isCritical: boolean, input: TimelineInput): Html {
  const { record, output, reasons, layerBytes, isLive = false } = input;
  const { vertex, name, error, cached } = step;
  const state = error !== undefined ? "failed" : cached === true ? "cached" : isCritical ? "path" : "";
  const bytes = layerBytes.get(vertex);
  const facts = [
    `#${at + 1}`,
    tookText(step, isLive ? record.endedMs : undefined),
    bytes === undefined ? "" : `layer ${humanSize(bytes)}`,
  ];
  const printed = output.get(vertex);
  const why = reasons.get(vertex);
  return html`<details class="${state}" ${error === undefined ? [] : raw(" open")}>
    <summary>
      <span class="name">${name}</span>${bar(step, record)}<span class="facts"
        >${facts.filter((fact) => fact !== "").join(" · ")}</span
      >
    </summary>
    ${why === undefined ? [] : html`<p class="why">Why: ${why}</p>`}
    ${error === undefined ? [] : html`<pre class="error">${error}</pre>`} ${partsTable(step)}
    ${printed === undefined ? [] : outputBlock(printed, record.id, at + 1)}
  </details> `;
}

function bar({ startedMs, completedMs }: TimelineStep, record: TimelineInput["record"]): Html {
  if (startedMs === undefined) return raw("");
  const whole = Math.max(1, record.endedMs - record.startedMs);
  const share = (ms: number): number => Math.round(Math.min(1, Math.max(0, ms / whole)) * 10_000) / 100;
  const left = share(startedMs - record.startedMs);
  const width = share((completedMs ?? record.endedMs) - startedMs);
  return html`<span class="track"
    ><span class="span" style="left:${Math.min(left, 99.8)}%;width:${Math.min(width, 100 - left)}%"></span
  ></span>`;
}

function tookText(
  { startedMs, completedMs, cached, cachedFrom, error }: TimelineStep,
  nowMs: number | undefined,
): string {
  if (cached === true) return cachedFrom === undefined ? "from the cache" : `from the cache ${cachedFrom}`;
  if (startedMs === undefined) return nowMs === undefined ? "not run" : "waiting";
  if (completedMs === undefined)
    return nowMs === undefined ? "not ended" : `running for ${humanTook(nowMs - startedMs)}`;
  return `${error === undefined ? "" : "failed after "}${humanTook(completedMs - startedMs)}`;
}

function partsTable({ parts = [] }: TimelineStep): Html {
  if (parts.length === 0) return raw("");
  const rows = parts.map(({ name, current, startedMs, completedMs }) => {
    const took = startedMs === undefined || completedMs === undefined ? "" : humanTook(completedMs - startedMs);
    return html`<tr>
      <td>${name}</td>
      <td class="n">${current === 0 ? "" : humanSize(current)}</td>
      <td class="n">${took}</td>
    </tr>`;
  });
  return html`<table>
    ${rows}
  </table>`;
}

function outputBlock({ lines, left }: StepOutput, id: string, number: number): Html {
  const note = html`<p class="legend">${left} lines before these: tsbuild builds logs ${id}:${number}</p>`;
  return html`${left === 0 ? [] : note}
    <pre>${lines.join("\n")}</pre>`;
}

function warnings({ timeline }: BuildRecord): Html {
  if (timeline.warnings.length === 0) return raw("");
  const rows = timeline.warnings.map(({ rule, message, file, line }) => {
    const place = file === undefined || line === undefined ? "" : ` (${file}:${line})`;
    return html`<li>${rule === undefined ? "" : `${rule}: `}${message}${place}</li>`;
  });
  return html`<h2>Warnings</h2>
    <ul>
      ${rows}
    </ul>`;
}
