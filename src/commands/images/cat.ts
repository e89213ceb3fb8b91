// `tsbuild cat`: the bytes of files of images, as they are.

import { BuildError } from "../../../builder/core/errors.ts";
import { IMAGE_FLAGS, IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import type { Command } from "../command.ts";
import { readArguments } from "../command.ts";
import { atLeastOne, splitImagePath, withPlatformImage } from "./image-arguments.ts";

const USAGE = `Usage:  tsbuild cat [OPTIONS] IMAGE:/PATH [IMAGE:/PATH...]

Prints files of an image, one after the other; links are followed as in the image.

${IMAGE_NAMES}`;

export const cat: Command = async (context) => {
  const args = await readArguments(context, IMAGE_FLAGS, USAGE);
  if (args === undefined) return 0;
  const files = atLeastOne(args, "cat", "IMAGE:/PATH").map((text) => ({ text, ...splitImagePath(text) }));
  const without = files.find(({ image, text }) => image === text);
  if (without !== undefined)
    throw new BuildError("USAGE", `"${without.text}" names no file`, { hint: "write IMAGE:/path/to/file" });
  const { readFileOf } = await import("../../../builder/list-files.ts");
  for (const { image: name, path } of files) {
    await withPlatformImage(context, args, name, async (image, { root }) => {
      for await (const chunk of readFileOf(image, path, root, context.signal)) await context.print(chunk);
    });
  }
  return 0;
};
