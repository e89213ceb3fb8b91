// What the commands that move images share: the request's common part, the display, and how results are told.

import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import { formatPlatform, hostPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import type { CopyResult, TransferRequest } from "../../../builder/copy.ts";
import { parseDuration } from "../../cli/values/disk-filter.ts";
import { excerpt } from "../../cli/error-text.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { unpackLimits } from "../../cli/values/unpack-limits.ts";
import type { Environment } from "../../config/environment.ts";
import { localRegistries } from "../../config/registries.ts";
import type { ProgressMode } from "../../progress/display.ts";
import { coloursAsked, openDisplay, PROGRESS_MODES } from "../../progress/display.ts";
import { definedOnly } from "../build/request.ts";
import type { CommandContext } from "../command.ts";
import { rootOf } from "../command.ts";

/** Runs a transfer under a display, which is closed before its result is told. */
export async function underDisplay<T>(
  context: CommandContext,
  args: Arguments,
  work: (events: EventSink) => Promise<T>,
): Promise<T> {
  const { environment, outcome } = context;
  const display = await openDisplay({
    mode: progressMode(args, environment),
    stream: process.stderr,
    colours: coloursAsked(environment),
    debug: outcome.debug,
    now: Date.now,
    excerpt,
  });
  for (const note of args.notes) display.sink({ kind: "warning", message: note });
  try {
    const result = await work(display.sink);
    display.close();
    return result;
  } catch (error) {
    display.close(asBuildError(error));
    outcome.told = display.tellsErrors;
    throw error;
  }
}

/** What every transfer is asked with. Throws `USAGE`. */
export function transferRequest(context: CommandContext, args: Arguments, events: EventSink): TransferRequest {
  return {
    root: rootOf(context, args),
    limits: unpackLimits(args),
    checkLayers: textOf(args, "check-layers") === undefined ? undefined : isOn(args, "check-layers"),
    expandName: localRegistries(context.environment, []).expandName,
    retries: parseCount(textOf(args, "retry-times") ?? "0", "--retry-times", 0),
    retryPauseMs: retryPause(textOf(args, "retry-delay")),
    events,
    now: Date.now,
    environment: definedOnly(context.environment),
  };
}

/** `--retry-delay`: ms; undefined: longer ones each time. */
function retryPause(text: string | undefined): number | undefined {
  return text === undefined || text === "" ? undefined : parseDuration(text, "--retry-delay");
}

/** `--platform`, or undefined. Throws `USAGE`. */
export function platformFlag(args: Arguments): Platform | undefined {
  const text = textOf(args, "platform");
  return text === undefined || text === "" ? undefined : parsePlatform(text, hostPlatform());
}

/** What a name means where no platform was named: DOCKER_DEFAULT_PLATFORM, or this machine's. */
export function defaultPlatform({ environment }: CommandContext): Platform {
  const text = environment["DOCKER_DEFAULT_PLATFORM"];
  return text === undefined || text === "" ? hostPlatform() : parsePlatform(text, hostPlatform());
}

/** `--format oci|v2s2` as the family of manifests. Throws `USAGE`, and `UNSUPPORTED` for schema 1. */
export function familyFlag(args: Arguments): "oci" | "docker" | undefined {
  const text = textOf(args, "format");
  switch (text) {
    case undefined:
    case "":
      return undefined;
    case "oci":
      return "oci";
    case "v2s2":
    case "docker":
      return "docker";
    case "v2s1":
      throw new BuildError("UNSUPPORTED", "--format v2s1: schema 1 was given up in 2017");
    default:
      throw new BuildError("USAGE", `--format: "${text}" is neither oci nor v2s2`);
  }
}

/** A compression's name and level, from two flags. Throws `USAGE`. */
export function compressionFlags(
  args: Arguments,
  formatFlag: string,
  levelFlag: string,
): { readonly compression: "gzip" | "zstd" | undefined; readonly level: number | undefined } {
  const format = textOf(args, formatFlag);
  if (format !== undefined && format !== "gzip" && format !== "zstd") {
    throw new BuildError(
      format === "zstd:chunked" ? "UNSUPPORTED" : "USAGE",
      `--${formatFlag}: "${format}" is neither gzip nor zstd`,
    );
  }
  const text = textOf(args, levelFlag);
  const level = text === undefined ? undefined : parseCount(text, `--${levelFlag}`, 0);
  const most = format === "zstd" ? 22 : 9;
  if (level !== undefined && level > most)
    throw new BuildError("USAGE", `--${levelFlag}: ${level} is more than ${most}, the most of ${format ?? "gzip"}`);
  return { compression: format, level };
}

/** The lines that end a transfer: every digest that became another one, ids, and the digest where the place has one. */
export function resultText({ images, top, changes, keepsManifest }: CopyResult): string {
  const several = images.length > 1;
  const changed = changes.map(
    ({ what, from, to, reasons }) => `changed  ${what}: ${from} is now ${to}: ${reasons.join("; ")}\n`,
  );
  const note = keepsManifest
    ? ""
    : "note     the destination keeps no manifest: the image id stays, a digest is not to be had there\n";
  const ids = images.map(
    ({ platform, imageId }) => `image id ${imageId}${several ? ` (${formatPlatform(platform)})` : ""}\n`,
  );
  return [...changed, note, ...ids, keepsManifest ? `digest   ${top.digest}\n` : ""].join("");
}

/** A result as JSON, with whatever else the command says of it. */
export function resultJson(
  { images, top, changes, keepsManifest }: CopyResult,
  more: Readonly<Record<string, unknown>>,
): string {
  const { mediaType, digest, size } = top;
  const made = images.map(({ platform, imageId, descriptor }) => ({
    platform: formatPlatform(platform),
    imageId,
    digest: descriptor.digest,
  }));
  return `${JSON.stringify({ ...more, digest, mediaType, size, images: made, changes, keepsManifest })}\n`;
}

function progressMode(args: Arguments, environment: Environment): ProgressMode {
  if (isOn(args, "quiet")) return "quiet";
  const text = textOf(args, "progress") ?? (environment["BUILDKIT_PROGRESS"] || "auto");
  const mode = PROGRESS_MODES.find((candidate) => candidate === text);
  if (mode !== undefined) return mode;
  throw new BuildError("USAGE", `invalid progress mode "${text}"`, { hint: `modes are ${PROGRESS_MODES.join(", ")}` });
}
