// `tsbuild ls`: the files of an image, without unpacking it.

import type { ListedFile } from "../../../builder/list-files.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Flag } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import { IMAGE_FLAGS, IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { fileLine, fileToJson, nameText } from "./file-text.ts";
import { splitImagePath, withPlatformImage } from "./image-arguments.ts";
import { formatTable } from "../table.ts";

// prettier-ignore
export const LS_FLAGS: readonly Flag[] = [
  { name: "json", kind: "boolean", state: "works", help: "One JSON object a line" },
  { name: "layer", kind: "string", value: "N", state: "works", help: "Only what layer N holds (1 is the lowest), with what it removes" },
  { name: "long", short: "l", kind: "boolean", state: "works", help: "With mode, owner, size, time and target" },
  { name: "null", short: "0", kind: "boolean", state: "works", help: "Names as they are, each ended by a NUL byte" },
  { name: "recursive", short: "R", kind: "boolean", state: "works", help: "Also what is in directories" },
  ...IMAGE_FLAGS,
];

const USAGE = `Usage:  tsbuild ls [OPTIONS] IMAGE[:/PATH]

Lists a directory of an image, or a file.

${IMAGE_NAMES}`;

export const ls: Command = async (context) => {
  const args = await readArguments(context, LS_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [text = ""] = exactly(args, 1, "ls", "IMAGE[:/PATH]");
  const { image: name, path } = splitImagePath(text);
  const layer = textOf(args, "layer");
  const [isLong, isRaw, isJson] = ["long", "null", "json"].map((flag) => isOn(args, flag));
  if ([isLong, isRaw, isJson].filter(Boolean).length > 1)
    throw new BuildError("USAGE", "--long, --null and --json exclude each other");
  const { listFiles } = await import("../../../builder/list-files.ts");
  await withPlatformImage(context, args, name, async (image, { root }) => {
    const request = {
      path,
      recursive: isOn(args, "recursive"),
      // As ls does: with -l a link is shown, not what it leads to, unless a slash asks for that.
      followLast: isLong !== true || path.endsWith("/"),
      layer: layer === undefined ? undefined : parseCount(layer, "--layer", 1),
    };
    const files = await listFiles(image, request, root, context.signal);
    if (isRaw === true) await context.print(Buffer.from(files.map(({ name }) => `${name}\0`).join(""), "latin1"));
    else if (isJson === true)
      await context.print(files.map((file) => `${JSON.stringify(fileToJson(file))}\n`).join(""));
    else await context.print(isLong === true ? longText(files) : files.map((file) => `${nameText(file)}\n`).join(""));
  });
  return 0;
};

function longText(files: readonly ListedFile[]): string {
  return formatTable(files.map(fileLine), { right: [2] });
}
