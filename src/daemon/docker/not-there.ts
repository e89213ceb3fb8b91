// How docker says that an image is not there: tools compare these sentences.

import type { ImageConfig } from "../../../builder/core/image/image-config.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import { formatPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import { shortName } from "../../commands/images/image-rows.ts";
import { HttpError } from "../http/answer.ts";

/** Whether an error says that something is not there. */
export function isMissing(error: unknown): error is BuildError {
  return error instanceof BuildError && error.code === "INPUT_MISSING";
}

/** The answer for a name, or an id, that no image has. */
export function noSuchImage(name: string): HttpError {
  return new HttpError(404, `No such image: ${shortName(name)}`);
}

/** What is said of an image of another platform than the wanted one; undefined where it is that one, or nobody says. */
export function otherPlatform(
  name: string,
  config: Pick<ImageConfig, "os" | "architecture" | "variant"> | undefined,
  wanted: Platform | undefined,
): string | undefined {
  if (config === undefined || wanted === undefined) return undefined;
  const { os, architecture, variant } = config;
  const platform = parsePlatform([os, architecture, ...(variant ? [variant] : [])].join("/"));
  if (formatPlatform(platform) === formatPlatform(wanted)) return undefined;
  return `image with reference ${shortName(name)} was found but its platform (${formatPlatform(platform)}) does not match the specified platform (${formatPlatform(wanted)})`;
}
