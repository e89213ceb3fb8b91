// `tsbuild copy SOURCE DESTINATION`: skopeo copy, with its names and flags.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ImageLocation } from "../../../builder/core/image/image-location.ts";
import { formatLocation, parseLocation, TRANSPORTS } from "../../../builder/core/image/image-location.ts";
import { hostPlatform, normalizePlatform } from "../../../builder/core/image/platform.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import type { CopyRequest } from "../../../builder/copy.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { COPY_FLAGS } from "../../cli/flags/transfer-flags.ts";
import { writeWhole } from "../build/result.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments, refuseHost } from "../command.ts";
import { sideAccess } from "./side-access.ts";
import {
  compressionFlags,
  familyFlag,
  platformFlag,
  resultJson,
  resultText,
  transferRequest,
  underDisplay,
} from "./transfer.ts";

const USAGE = `Usage:  tsbuild copy [OPTIONS] SOURCE DESTINATION

Copies an image from one place to another. Places are named as skopeo names them:
${TRANSPORTS}.`;

/** The command. */
export const copy: Command = async (context) => {
  const args = await readArguments(context, COPY_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [from = "", to = ""] = exactly(args, 2, "copy", "SOURCE DESTINATION");
  const [source, destination] = [parseLocation(from), parseLocation(to)];
  if ([source, destination].some(({ transport }) => transport === "store")) refuseHost(context, args, "tsbuild copy");
  const wishes = {
    source,
    destination,
    additionalNames: listOf(args, "additional-tag"),
    which: which(args),
    platform: platform(args),
    family: familyFlag(args),
    compression: compression(args),
    preserveDigests: isOn(args, "preserve-digests"),
    layersAtOnce: layersAtOnce(args),
    sourceAccess: await sideAccess(context, args, { prefix: "src-", registries: registriesOf(source) }),
    destinationAccess: await sideAccess(context, args, { prefix: "dest-", registries: registriesOf(destination) }),
  };
  const result = await underDisplay(context, args, async (events) => {
    const engine = await import("../../../builder/copy.ts");
    return await engine.copy({ ...transferRequest(context, args, events), ...wishes }, context.signal);
  });
  const digestFile = textOf(args, "digestfile");
  if (digestFile) await writeWhole(digestFile, result.top.digest);
  if (isStdout(destination)) return 0;
  const places = { source: formatLocation(source), destination: formatLocation(destination) };
  if (isOn(args, "json")) await context.print(resultJson(result, places));
  else if (!isOn(args, "quiet")) await context.print(resultText(result));
  return 0;
};

function which(args: Arguments): CopyRequest["which"] {
  const text = textOf(args, "multi-arch");
  const kinds = { system: "one", all: "all", "index-only": "index" } as const;
  const kind = Object.entries(kinds).find(([name]) => name === text)?.[1];
  if (text !== undefined && kind === undefined)
    throw new BuildError("USAGE", `--multi-arch: "${text}" is none of ${Object.keys(kinds).join(", ")}`);
  if (isOn(args, "all") && kind !== undefined && kind !== "all")
    throw new BuildError("USAGE", "--all and --multi-arch contradict each other");
  return isOn(args, "all") ? "all" : (kind ?? "one");
}

function platform(args: Arguments): Platform {
  const whole = platformFlag(args);
  const [os, architecture, variant] = ["os", "arch", "variant"].map(
    (part) => textOf(args, `override-${part}`) || undefined,
  );
  if (os === undefined && architecture === undefined && variant === undefined) return whole ?? hostPlatform();
  if (whole !== undefined) throw new BuildError("USAGE", "--platform and --override-… contradict each other");
  const host = hostPlatform();
  return normalizePlatform({
    os: os ?? host.os,
    architecture: architecture ?? host.architecture,
    ...(variant === undefined ? {} : { variant }),
  });
}

function compression(args: Arguments): CopyRequest["compression"] {
  const { compression: format, level } = compressionFlags(args, "dest-compress-format", "dest-compress-level");
  const withLevel = level === undefined ? {} : { level };
  if (isOn(args, "dest-decompress")) {
    if (isOn(args, "dest-compress") || format !== undefined)
      throw new BuildError("USAGE", "--dest-decompress and a compression contradict each other");
    return { compression: "uncompressed", applies: "others" };
  }
  const isForced = isOn(args, "dest-force-compress-format");
  if (isForced && format === undefined)
    throw new BuildError("USAGE", "--dest-force-compress-format needs --dest-compress-format");
  if (format !== undefined) return { compression: format, ...withLevel, applies: isForced ? "all" : "others" };
  if (isOn(args, "dest-compress") || level !== undefined)
    return { compression: "gzip", ...withLevel, applies: "uncompressed" };
  if (isOn(args, "dest-oci-accept-uncompressed-layers")) return { compression: "uncompressed", applies: "none" };
  return undefined;
}

/** skopeo's 0 is its default. */
function layersAtOnce(args: Arguments): number | undefined {
  return parseCount(textOf(args, "image-parallel-copies") ?? "0", "--image-parallel-copies", 0) || undefined;
}

function registriesOf(location: ImageLocation): readonly string[] {
  return location.transport === "docker" ? [location.reference.registry] : [];
}

/** Whether the image itself went to standard output. */
function isStdout(location: ImageLocation): boolean {
  return "path" in location && /^\/(?:dev\/stdout|dev\/fd\/1|proc\/self\/fd\/1)$/.test(location.path);
}
