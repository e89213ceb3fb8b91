// `tsbuild images`, `tsbuild tag`, `tsbuild rmi`: the images in the local store.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ListedImage } from "../../../builder/images.ts";
import { IMAGES_FLAGS, RMI_FLAGS } from "../../cli/flags/images-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { GLOBAL_FLAGS } from "../../cli/flags/global-flags.ts";
import type { RowTemplate } from "../../cli/row-template.ts";
import { parseRowTemplate } from "../../cli/row-template.ts";
import { localRegistries } from "../../config/registries.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments, rootOf } from "../command.ts";
import type { ImageRow } from "./image-rows.ts";
import { filterImages, partsOf, rowOf, shortName } from "./image-rows.ts";
import { formatRows } from "../table.ts";

const HEADINGS = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
  Platform: "PLATFORM",
} satisfies ImageRow;

const IMAGES_USAGE = `Usage:  tsbuild images [OPTIONS] [REPOSITORY[:TAG]]

Lists the images in the local store. Of a multi-platform image each platform that is there has a row.`;

/** Lists what the store has. */
export const images: Command = async (context) => {
  const args = await readArguments(context, IMAGES_FLAGS, IMAGES_USAGE);
  if (args === undefined) return 0;
  const [pattern] = args.positionals;
  if (args.positionals.length > 1) exactly(args, 1, "images", "REPOSITORY[:TAG]");
  const template = templateOf(args);
  const { listImages } = await import("../../../builder/images.ts");
  const filters = [...listOf(args, "filter"), ...(pattern === undefined ? [] : [`reference=${pattern}`])];
  const found = filterImages(await listImages(rootOf(context, args)), filters);
  if (isOn(args, "json")) {
    await context.print(found.map((image) => `${JSON.stringify(jsonOf(image))}\n`).join(""));
    return 0;
  }
  const look = { now: Date.now(), whole: isOn(args, "no-trunc") };
  const rows = found.map((image) => ({ ...rowOf(image, look) }));
  if (isOn(args, "quiet")) await context.print([...new Set(rows.map(({ ID }) => ID))].map((id) => `${id}\n`).join(""));
  else await context.print(formatRows(rows, template));
  return 0;
};

const TAG_USAGE = `Usage:  tsbuild tag SOURCE TARGET [TARGET...]

Gives an image of the local store, named by name or id, one more name.`;

/** `tsbuild tag SOURCE TARGET…`. */
export const tag: Command = async (context) => {
  const args = await readArguments(context, GLOBAL_FLAGS, TAG_USAGE);
  if (args === undefined) return 0;
  const [from = "", ...targets] =
    args.positionals.length > 2 ? args.positionals : exactly(args, 2, "tag", "SOURCE TARGET");
  const { tagImage } = await import("../../../builder/images.ts");
  const { expandName } = localRegistries(context.environment, []);
  for (const to of targets) await tagImage(rootOf(context, args), from, to, expandName);
  return 0;
};

const RMI_USAGE = `Usage:  tsbuild rmi [OPTIONS] IMAGE [IMAGE...]

Takes images, named by name or id, out of the local store.`;

/** `tsbuild rmi IMAGE…`. */
export const rmi: Command = async (context) => {
  const args = await readArguments(context, RMI_FLAGS, RMI_USAGE);
  if (args === undefined) return 0;
  if (args.positionals.length === 0) {
    throw new BuildError("USAGE", '"tsbuild rmi" requires at least 1 argument (IMAGE)', {
      hint: "See 'tsbuild rmi --help'.",
    });
  }
  const { untagImages } = await import("../../../builder/images.ts");
  const { names, gone } = await untagImages(rootOf(context, args), args.positionals, {
    force: isOn(args, "force"),
    expandName: localRegistries(context.environment, []).expandName,
  });
  await context.print(names.map((name) => `Untagged: ${shortName(name)}\n`).join(""));
  await context.print(gone.map((id) => `Deleted: ${id}\n`).join(""));
  return 0;
};

function templateOf(args: Arguments): RowTemplate {
  const text = textOf(args, "format");
  if (text !== undefined && text !== "" && text !== "table") {
    if (isOn(args, "json")) throw new BuildError("USAGE", "--format and --json contradict each other");
    return parseRowTemplate(text, HEADINGS);
  }
  const digest = isOn(args, "digests") ? "{{.Digest}}\t" : "";
  return parseRowTemplate(
    `table {{.Repository}}\t{{.Tag}}\t${digest}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.Platform}}`,
    HEADINGS,
  );
}

function jsonOf({ name, platform, imageId, digest, created, sizeBytes, labels }: ListedImage): object {
  const { repository, tag: own } = partsOf(name);
  return { name, repository, tag: own, platform, imageId, digest, created, sizeBytes, labels };
}
