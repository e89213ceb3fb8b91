// An inspection as text for people.

import { formatPlatform } from "../../../builder/core/image/platform.ts";
import type { IndexEntry, InspectedImage, Inspection } from "../../../builder/inspect.ts";
import { humanAge, humanSize } from "../../cli/human.ts";
import { printable } from "../../cli/printable.ts";
import { cut } from "../../progress/terminal-text.ts";
import { formatTable } from "../table.ts";

/** What an image is, its layers, and what else is in its index. `now` in ms since the epoch. */
export function inspectionText({ opened, index, image }: Inspection, now: number): string {
  const names = opened.names.length === 0 ? [opened.name] : opened.names;
  const lines: Field[] = [["Name", names]];
  if (index !== undefined) lines.push(["Index", [index.document.descriptor.digest]]);
  if (image !== undefined) lines.push(...imageFields(image, now));
  const parts = [fieldsText(lines)];
  if (image !== undefined && image.layers.length > 0) parts.push(`Layers\n${layersTable(image)}`);
  if (index !== undefined) parts.push(`Index\n${indexTable(index.entries)}`);
  if (image === undefined) parts.push("None of these is for this machine: --platform chooses one.\n");
  return parts.join("\n");
}

/** A name and its values; nothing is printed for one without values. */
type Field = readonly [name: string, values: readonly string[]];

function imageFields(image: InspectedImage, now: number): Field[] {
  const { manifest, config, platform, sizeBytes } = image;
  const { artifactType, annotations = {}, subject } = manifest.manifest;
  const own: Field[] = [
    ["Digest", [manifest.descriptor.digest]],
    ["Media type", [manifest.descriptor.mediaType]],
    ["Artifact", artifactType === undefined ? [] : [artifactType]],
    ["Subject", subject === undefined ? [] : [subject.digest]],
    ["Size", [`${humanSize(sizeBytes)} as it is stored and sent`]],
  ];
  const notes: Field = ["Annotations", pairs(annotations)];
  if (config === undefined || platform === undefined) return [...own, notes];
  const { config: runtime = {}, created, author } = config;
  const list = (words: readonly string[] | undefined): string[] =>
    words === undefined || words.length === 0 ? [] : [JSON.stringify(words)];
  return [
    ["Image id", [manifest.manifest.config.digest]],
    ...own,
    ["Platform", [formatPlatform(platform)]],
    ["Created", created === undefined ? [] : [`${created} (${humanAge(created, now)})`]],
    ["Author", author === undefined ? [] : [author]],
    ["Entrypoint", list(runtime.Entrypoint)],
    ["Command", list(runtime.Cmd)],
    ["Shell", list(runtime.Shell)],
    ["User", given(runtime.User)],
    ["Directory", given(runtime.WorkingDir)],
    ["Stop signal", given(runtime.StopSignal)],
    ["Health check", list(runtime.Healthcheck?.Test)],
    ["Environment", runtime.Env ?? []],
    ["Ports", Object.keys(runtime.ExposedPorts ?? {})],
    ["Volumes", Object.keys(runtime.Volumes ?? {})],
    ["Labels", pairs(runtime.Labels ?? {})],
    ["On build", runtime.OnBuild ?? []],
    notes,
  ];
}

function fieldsText(fields: readonly Field[]): string {
  const shown = fields.filter(([, values]) => values.length > 0);
  const width = Math.max(...shown.map(([name]) => name.length)) + 2;
  return shown
    .map(([name, values]) =>
      values.map((value, at) => `${(at === 0 ? name : "").padEnd(width)}${printable(value)}\n`).join(""),
    )
    .join("");
}

function layersTable({ layers }: InspectedImage): string {
  const rows = layers.map(({ descriptor, instruction = "" }, at) => [
    `${at + 1}`,
    descriptor.digest.slice(0, SHORT_DIGEST),
    humanSize(descriptor.size),
    cut(printable(instruction), INSTRUCTION_COLUMNS),
  ]);
  return indent(formatTable([["#", "DIGEST", "SIZE", "INSTRUCTION"], ...rows], { right: [0, 2] }));
}

function indexTable(entries: readonly IndexEntry[]): string {
  const rows = entries.map(({ descriptor, kind, about, predicates = [], isPresent }) => [
    descriptor.platform === undefined || about !== undefined ? "-" : formatPlatform(descriptor.platform),
    descriptor.digest.slice(0, SHORT_DIGEST),
    humanSize(descriptor.size),
    [
      about === undefined ? kind : `${kind} of ${about.slice(0, SHORT_DIGEST)}`,
      predicates.length === 0 ? "" : `: ${printable(predicates.join(", "))}`,
      isPresent ? "" : " (not here)",
    ].join(""),
  ]);
  return indent(formatTable([["PLATFORM", "DIGEST", "SIZE", "KIND"], ...rows], { right: [2] }));
}

/** "sha256:" and twelve digits. */
const SHORT_DIGEST = 19;
const INSTRUCTION_COLUMNS = 60;

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

function given(text: string | undefined): string[] {
  return text === undefined || text === "" ? [] : [text];
}

function pairs(map: Readonly<Record<string, string>>): string[] {
  return Object.entries(map).map(([key, value]) => `${key}=${value}`);
}
