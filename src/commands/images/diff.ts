// `tsbuild diff`: what differs between two images.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Flag } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { IMAGE_FLAGS, IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { diffStat, diffText, diffToJson } from "./diff-text.ts";
import { withPlatformImage } from "./image-arguments.ts";

// prettier-ignore
export const DIFF_FLAGS: readonly Flag[] = [
  { name: "exit-code", kind: "boolean", state: "works", help: "End with 1 when they differ" },
  { name: "json", kind: "boolean", state: "works", help: "As one JSON object" },
  { name: "stat", kind: "boolean", state: "works", help: "Only how much differs, by instruction" },
  { name: "times", kind: "boolean", state: "works", help: "Times count too: of files, of the config, of the history" },
  ...IMAGE_FLAGS,
];

const USAGE = `Usage:  tsbuild diff [OPTIONS] IMAGE IMAGE

Shows what differs between two images: config fields and files, with the layer and the instruction that made it so.

${IMAGE_NAMES}`;

export const diff: Command = async (context) => {
  const args = await readArguments(context, DIFF_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [from = "", to = ""] = exactly(args, 2, "diff", "IMAGE IMAGE");
  const [isStat, isJson] = [isOn(args, "stat"), isOn(args, "json")];
  if (isStat && isJson) throw new BuildError("USAGE", "--stat and --json exclude each other");
  const { diffImages } = await import("../../../builder/diff-images.ts");
  const found = await withPlatformImage(context, args, from, async (a, { root }) =>
    withPlatformImage(context, args, to, async (b) =>
      diffImages(a, b, { root, times: isOn(args, "times") }, context.signal),
    ),
  );
  if (isJson) await context.print(`${JSON.stringify(diffToJson(found), undefined, 2)}\n`);
  else await context.print(isStat ? diffStat(found) : diffText(found));
  const differs = found.fields.length > 0 || found.files.length > 0;
  return differs && isOn(args, "exit-code") ? 1 : 0;
};
