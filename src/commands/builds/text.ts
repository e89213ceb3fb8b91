// A build's record for people: what was asked for, each step with its time, what came of it.

import type { BuildRecord, RecordedOutput, TimelineStep } from "../../../builder/builds.ts";
import { humanTook } from "../../cli/human.ts";
import { printable } from "../../cli/printable.ts";
import { failureText } from "../../report/failure-text.ts";
import { formatTable } from "../table.ts";

/** The text of `builds show`. */
export function buildText(record: BuildRecord): string {
  const { id, what, status, startedMs, endedMs, failure, result, timeline, version } = record;
  const cached = timeline.steps.filter((step) => step.cached === true).length;
  const head: (readonly [string, string])[] = [
    ["Build", id],
    ["Name", what],
    ["Status", failure === undefined ? status : `${status}: ${placeText(failure)}${failure.message}`],
    ["Started", new Date(startedMs).toISOString()],
    ["Took", humanTook(endedMs - startedMs)],
    ["Steps", `${timeline.steps.length}, ${cached} cached`],
    ["Version", version],
    ...requestLines(record),
    ...(result?.digest === undefined ? [] : [["Digest", result.digest] as const]),
    ...(result?.images ?? []).map(({ platform, imageId }) => ["Image", `${imageId} (${platform})`] as const),
    ...timeline.warnings.map(({ rule, message, line }) => {
      const place = line === undefined ? "" : ` (line ${line})`;
      return ["Warning", `${rule === undefined ? "" : `${rule}: `}${message}${place}`] as const;
    }),
  ];
  const width = Math.max(...head.map(([label]) => label.length)) + 2;
  const lines = head.map(([label, value]) => `${`${label}:`.padEnd(width)}${printable(value)}\n`);
  const fault = failure?.place === undefined ? "" : `\n${failureText(failure)}`;
  return `${lines.join("")}\n${stepTable(timeline.steps, startedMs)}${fault}`;
}

function placeText({ place }: NonNullable<BuildRecord["failure"]>): string {
  return place === undefined ? "" : `${place.file}:${place.startLine}: `;
}

function requestLines({ request }: BuildRecord): (readonly [string, string])[] {
  const { context, dockerfile, target, platforms, buildArgs, namedContexts, noCache, secrets, outputs } = request;
  const all: (readonly [string, string | undefined])[] = [
    ["Context", context],
    ["Dockerfile", dockerfile],
    ["Target", target],
    ["Platforms", platforms.join(", ") || undefined],
    ...Object.entries(namedContexts).map(([name, text]) => ["Named context", `${name}=${text}`] as const),
    ...Object.entries(buildArgs).map(([name, value]) => ["Build arg", `${name}=${value}`] as const),
    ["No cache", noCache === true ? "all steps" : noCache === false ? undefined : noCache.join(", ") || undefined],
    ["Secrets", secrets.join(", ") || undefined],
    ...outputs.map((output) => ["Output", outputText(output)] as const),
  ];
  return all.flatMap(([label, value]) => (value === undefined ? [] : [[label, value] as const]));
}

function outputText({ type, names = [], destination, push }: RecordedOutput): string {
  const words = [type, ...names, destination === undefined ? "" : `to ${destination}`, push === true ? "pushed" : ""];
  return words.filter((word) => word !== "").join(" ");
}

function stepTable(steps: readonly TimelineStep[], startedMs: number): string {
  const rows = steps.map((step, at) => [
    String(at + 1),
    step.startedMs === undefined ? "" : humanTook(step.startedMs - startedMs),
    tookText(step),
    printable(step.name),
  ]);
  return formatTable([["#", "BEGAN", "TOOK", "STEP"], ...rows], { right: [0, 1, 2] });
}

function tookText({ startedMs, completedMs, cached, cachedFrom, error }: TimelineStep): string {
  if (cached === true) return cachedFrom === undefined ? "cached" : `cached (${printable(cachedFrom)})`;
  if (startedMs === undefined) return "not run";
  if (completedMs === undefined) return "not ended";
  return `${error === undefined ? "" : "failed "}${humanTook(completedMs - startedMs)}`;
}
