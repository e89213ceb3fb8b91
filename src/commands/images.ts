// `tsbuild images`, `tsbuild tag`, `tsbuild rmi`: the names in the local store.

import { BuildError } from "../../builder/core/errors.ts";
import { familiarReference, parseReference } from "../../builder/core/reference.ts";
import type { NamedImage } from "../../builder/images.ts";
import type { Flag } from "../cli/flags.ts";
import { isOn } from "../cli/flags.ts";
import { GLOBAL_FLAGS } from "../cli/global-flags.ts";
import type { Command } from "./command.ts";
import { exactly, readArguments, rootOf } from "./command.ts";

/** The flags of `tsbuild images`. */
export const IMAGES_FLAGS: readonly Flag[] = [
  { name: "json", kind: "boolean", state: "works", help: "One JSON object a line" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "Only image ids" },
  ...GLOBAL_FLAGS,
];

/** Lists what the store names. */
export const images: Command = async (context) => {
  const args = await readArguments(
    context,
    IMAGES_FLAGS,
    "Usage:  tsbuild images [OPTIONS]\n\nLists the images in the local store.",
  );
  if (args === undefined) return 0;
  exactly(args, 0, "images", "none");
  const { listImages } = await import("../../builder/images.ts");
  const found = await listImages(rootOf(context, args));
  if (isOn(args, "json")) await context.print(found.map((image) => `${JSON.stringify(image)}\n`).join(""));
  else if (isOn(args, "quiet"))
    await context.print([...new Set(found.map(({ imageId }) => imageId))].map((id) => `${id}\n`).join(""));
  else await context.print(table(found));
  return 0;
};

/** `tsbuild tag SOURCE TARGET`. */
export const tag: Command = async (context) => {
  const args = await readArguments(
    context,
    GLOBAL_FLAGS,
    "Usage:  tsbuild tag SOURCE TARGET\n\nGives an image of the local store one more name.",
  );
  if (args === undefined) return 0;
  const [from = "", to = ""] = exactly(args, 2, "tag", "SOURCE TARGET");
  const { tagImage } = await import("../../builder/images.ts");
  await tagImage(rootOf(context, args), from, to);
  return 0;
};

/** `tsbuild rmi IMAGE…`. */
export const rmi: Command = async (context) => {
  const args = await readArguments(
    context,
    GLOBAL_FLAGS,
    "Usage:  tsbuild rmi IMAGE [IMAGE...]\n\nTakes names of images out of the local store.",
  );
  if (args === undefined) return 0;
  if (args.positionals.length === 0) {
    throw new BuildError("USAGE", '"tsbuild rmi" requires at least 1 argument (IMAGE)', {
      hint: "See 'tsbuild rmi --help'.",
    });
  }
  const { untagImages } = await import("../../builder/images.ts");
  const gone = await untagImages(rootOf(context, args), args.positionals);
  await context.print(gone.map((name) => `Untagged: ${familiarReference(parseReference(name))}\n`).join(""));
  return 0;
};

function table(found: readonly NamedImage[]): string {
  const rows = [["NAME", "PLATFORM", "IMAGE ID", "DIGEST", "SIZE"], ...found.map(row)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}

function row({ name, platform, imageId, digest, sizeBytes }: NamedImage): string[] {
  return [shortName(name), platform, imageId.slice(0, 19), digest.slice(0, 19), `${(sizeBytes / 1e6).toFixed(1)}MB`];
}

/** As people write it; a name of another tool's that is no reference stays as it is. */
function shortName(name: string): string {
  try {
    return familiarReference(parseReference(name));
  } catch {
    return name;
  }
}
