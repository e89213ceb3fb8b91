// `tsbuild layers`: what each layer holds and wastes; on a terminal to walk through.

import type { ImageUsage, LayerReport } from "../../../builder/layer-usage.ts";
import type { Flag } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { humanSize } from "../../cli/human.ts";
import { IMAGE_FLAGS, IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import { namedInJson, printable, printableName } from "../../cli/printable.ts";
import type { Environment } from "../../config/environment.ts";
import { cut } from "../../progress/terminal-text.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { withPlatformImage } from "./image-arguments.ts";
import { formatTable } from "../table.ts";

// prettier-ignore
export const LAYERS_FLAGS: readonly Flag[] = [
  { name: "json", kind: "boolean", state: "works", help: "As one JSON object" },
  { name: "no-tui", kind: "boolean", state: "works", help: "The table, also on a terminal" },
  ...IMAGE_FLAGS,
];

const USAGE = `Usage:  tsbuild layers [OPTIONS] IMAGE

Shows what the layers of an image hold, which instruction made them, and what of it later layers replace or remove. On a
terminal one can walk through layers and files; elsewhere it is a table.

${IMAGE_NAMES}`;

export const layers: Command = async (context) => {
  const args = await readArguments(context, LAYERS_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [name = ""] = exactly(args, 1, "layers", "IMAGE");
  const { imageUsage } = await import("../../../builder/layer-usage.ts");
  const usage = await withPlatformImage(context, args, name, (image, { root }) =>
    imageUsage(image, root, context.signal),
  );
  if (isOn(args, "json")) {
    await context.print(`${JSON.stringify(usageToJson(name, usage), undefined, 2)}\n`);
  } else if (isOn(args, "no-tui") || !isTerminal(context.environment)) {
    await context.print(usageText(usage));
  } else {
    const { walkLayers } = await import("./layers-terminal.ts");
    await walkLayers(name, usage, { colours: !context.environment["NO_COLOR"], signal: context.signal });
  }
  return 0;
};

function isTerminal(environment: Environment): boolean {
  return process.stdin.isTTY && process.stdout.isTTY && environment["TERM"] !== "dumb";
}

const INSTRUCTION_COLUMNS = 70;
const WASTED_SHOWN = 10;

function usageText(usage: ImageUsage): string {
  const rows = usage.layers.map((layer, at) => [
    `${at + 1}`,
    humanSize(layer.bytes),
    humanSize(layer.descriptor.size),
    `${layer.files}`,
    humanSize(layer.wastedBytes),
    cut(printable(layer.instruction ?? ""), INSTRUCTION_COLUMNS),
  ]);
  const heading = ["#", "SIZE", "COMPRESSED", "FILES", "WASTED", "INSTRUCTION"];
  const table = formatTable([heading, ...rows], { right: [0, 1, 2, 3, 4] });
  return `${table}\n${efficiencyText(usage)}\n${wastedText(usage)}`;
}

/** One line about all layers together. */
export function efficiencyText({ bytes, wastedBytes, efficiency }: ImageUsage): string {
  return `efficiency ${(efficiency * 100).toFixed(1)} %: ${humanSize(wastedBytes)} of ${humanSize(bytes)} are replaced or removed by later layers`;
}

function wastedText({ wasted }: ImageUsage): string {
  if (wasted.length === 0) return "";
  const rows = wasted
    .slice(0, WASTED_SHOWN)
    .map(({ path, bytes, copies }) => [humanSize(bytes), `${copies}`, `/${printableName(path)}`]);
  const more = wasted.length > WASTED_SHOWN ? `and ${wasted.length - WASTED_SHOWN} more: --json has them all\n` : "";
  return `\n${formatTable([["WASTED", "COPIES", "PATH"], ...rows], { right: [0, 1] })}${more}`;
}

function usageToJson(name: string, usage: ImageUsage): Readonly<Record<string, unknown>> {
  const { bytes, wastedBytes, efficiency, wasted } = usage;
  return {
    name,
    bytes,
    wastedBytes,
    efficiency,
    layers: usage.layers.map(layerToJson),
    wasted: wasted.map(({ path, ...rest }) => ({ ...namedInJson("path", `/${path}`), ...rest })),
  };
}

function layerToJson(layer: LayerReport, at: number): Readonly<Record<string, unknown>> {
  const { descriptor, diffId, instruction, files, bytes, wastedBytes, removed } = layer;
  return {
    layer: at + 1,
    createdBy: instruction,
    digest: descriptor.digest,
    diffId,
    mediaType: descriptor.mediaType,
    compressedBytes: descriptor.size,
    bytes,
    files,
    removed,
    wastedBytes,
  };
}
