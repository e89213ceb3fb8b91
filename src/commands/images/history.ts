// `tsbuild history`: which instruction made which layer.

import type { Digest } from "../../../builder/core/digest.ts";
import type { HistoryLine } from "../../../builder/history.ts";
import type { Flag } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import { humanAge, humanSize } from "../../cli/human.ts";
import { IMAGE_FLAGS, IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import { printable } from "../../cli/printable.ts";
import { parseRowTemplate } from "../../cli/row-template.ts";
import { cut } from "../../progress/terminal-text.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { shortId } from "./image-rows.ts";
import { withPlatformImage } from "./image-arguments.ts";
import { formatRows, formatTable } from "../table.ts";

// prettier-ignore
export const HISTORY_FLAGS: readonly Flag[] = [
  { name: "compressed", kind: "boolean", state: "works", help: "Sizes of the layers as they are stored and sent; nothing is read for it. Always so of a registry's image" },
  { name: "format", kind: "string", value: "TEMPLATE", state: "works", help: "json, table …, or a template of fields: {{.CreatedBy}}" },
  { name: "human", short: "H", kind: "boolean", state: "works", help: "Sizes and times for people (default true)" },
  { name: "json", kind: "boolean", state: "works", help: "One JSON object a line" },
  { name: "no-trunc", kind: "boolean", state: "works", help: "Do not cut anything" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "Only image ids, as docker history has them: of the last line, and <missing>" },
  ...IMAGE_FLAGS,
];

const USAGE = `Usage:  tsbuild history [OPTIONS] IMAGE

Shows which instruction made which layer, the newest first.

${IMAGE_NAMES}`;

interface Look {
  readonly isHuman: boolean;
  readonly isWhole: boolean;
  readonly isCompressed: boolean;
  /** ms since the epoch. */
  readonly now: number;
}

/** Sizes are those of `docker history`: of the files a layer holds. */
export const history: Command = async (context) => {
  const args = await readArguments(context, HISTORY_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [name = ""] = exactly(args, 1, "history", "IMAGE");
  const { imageHistory } = await import("../../../builder/history.ts");
  await withPlatformImage(context, args, name, async (image, { root }) => {
    // A registry's layers would have to be fetched to know what is in them.
    const isCompressed = isOn(args, "compressed") || image.opened.isRemote;
    const lines = await imageHistory(image, { root, weigh: !isCompressed }, context.signal);
    const newestFirst = lines.toReversed();
    if (isOn(args, "json")) {
      await context.print(newestFirst.map((line) => `${JSON.stringify(toJson(line))}\n`).join(""));
      return;
    }
    const isHuman = textOf(args, "human") !== "false";
    const look = { isHuman, isWhole: isOn(args, "no-trunc"), isCompressed, now: Date.now() };
    const template = textOf(args, "format");
    const rows = dockerRows(newestFirst, image.manifest.manifest.config.digest, look);
    if (isOn(args, "quiet")) await context.print(rows.map(({ ID }) => `${ID}\n`).join(""));
    else if (template) await context.print(formatRows(rows, parseRowTemplate(template, HEADINGS)));
    else await context.print(historyTable(newestFirst, look));
  });
  return 0;
};

const INSTRUCTION_COLUMNS = 45;

/** docker's columns, for its templates. */
const HEADINGS = {
  ID: "IMAGE",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
};

/** Only the last step has an id, the image's: those below left no image. */
function dockerRows(newestFirst: readonly HistoryLine[], imageId: Digest, look: Look): readonly (typeof HEADINGS)[] {
  const id = look.isWhole ? imageId : shortId(imageId);
  return newestFirst.map((line, at) => ({
    ID: at === 0 ? id : "<missing>",
    CreatedSince: humanAge(line.entry.created, look.now),
    CreatedAt: line.entry.created ?? "N/A",
    CreatedBy: createdBy(line, look),
    Size: sizeText(line, look),
    Comment: printable(line.entry.comment ?? ""),
  }));
}

function historyTable(lines: readonly HistoryLine[], look: Look): string {
  const hasLines = lines.some(({ place }) => place !== undefined);
  const placeText = ({ place }: HistoryLine): string =>
    place === undefined ? "" : printable(`${place.file}:${place.line}`);
  const rows = lines.map((line) => [
    line.layer === undefined ? "-" : `${line.layer.number + 1}`,
    look.isHuman ? humanAge(line.entry.created, look.now) : (line.entry.created ?? "N/A"),
    ...(hasLines ? [placeText(line)] : []),
    createdBy(line, look),
    sizeText(line, look),
    printable(line.entry.comment ?? ""),
  ]);
  const heading = [
    "LAYER",
    "CREATED",
    ...(hasLines ? ["LINE"] : []),
    "CREATED BY",
    look.isCompressed ? "COMPRESSED" : "SIZE",
    "COMMENT",
  ];
  return formatTable([heading, ...rows], { right: [0] });
}

function createdBy({ entry }: HistoryLine, { isWhole }: Look): string {
  const text = printable(entry.created_by ?? "");
  return isWhole ? text : cut(text, INSTRUCTION_COLUMNS);
}

function sizeText({ layer }: HistoryLine, { isHuman, isCompressed }: Look): string {
  const bytes = (isCompressed ? layer?.compressedBytes : layer?.bytes) ?? 0;
  return isHuman ? humanSize(bytes) : `${bytes}`;
}

function toJson({ entry, place, layer }: HistoryLine): Readonly<Record<string, unknown>> {
  return {
    created: entry.created,
    createdBy: entry.created_by ?? "",
    comment: entry.comment ?? "",
    author: entry.author,
    emptyLayer: layer === undefined,
    ...(place === undefined ? {} : { dockerfile: place.file, line: place.line }),
    ...(layer === undefined
      ? {}
      : {
          layer: layer.number + 1,
          diffId: layer.diffId,
          digest: layer.digest,
          size: layer.bytes,
          compressedSize: layer.compressedBytes,
        }),
  };
}
