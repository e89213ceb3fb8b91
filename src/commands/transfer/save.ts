// `tsbuild save`: images of the local store as an archive or a folder.

import { resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { hostPlatform } from "../../../builder/core/image/platform.ts";
import type { SaveFormat } from "../../../builder/save.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import { SAVE_FLAGS } from "../../cli/flags/transfer-flags.ts";
import type { Command } from "../command.ts";
import { readArguments } from "../command.ts";
import { platformFlag, resultJson, resultText, transferRequest, underDisplay } from "./transfer.ts";

const USAGE = `Usage:  tsbuild save [OPTIONS] IMAGE [IMAGE...]

Writes images of the local store to an archive (standard output without --output). The default form holds the images as
they are, for every platform that is there, and is read by docker load, podman load, skopeo and ctr.`;

const FORMATS: readonly SaveFormat[] = ["oci-archive", "docker-archive", "oci-dir", "docker-dir"];

/** The command. */
export const save: Command = async (context) => {
  const args = await readArguments(context, SAVE_FLAGS, USAGE);
  if (args === undefined) return 0;
  if (args.positionals.length === 0) {
    throw new BuildError("USAGE", '"tsbuild save" requires at least 1 argument (IMAGE)', {
      hint: "See 'tsbuild save --help'.",
    });
  }
  const text = textOf(args, "format") ?? "oci-archive";
  const format = FORMATS.find((candidate) => candidate === text);
  if (format === undefined) throw new BuildError("USAGE", `--format: "${text}" is none of ${FORMATS.join(", ")}`);
  const output = textOf(args, "output");
  const isStream = output === undefined || output === "-";
  if (isStream && process.stdout.isTTY) {
    throw new BuildError("USAGE", "cowardly refusing to save to a terminal", { hint: "use --output, or redirect it" });
  }
  const results = await underDisplay(context, args, async (events) => {
    const engine = await import("../../../builder/save.ts");
    return await engine.save(
      {
        ...transferRequest(context, args, events),
        images: args.positionals.map((image) => image.replace(/^store:/, "")),
        format,
        destination: isStream ? { kind: "stream", write: context.print } : { kind: "file", path: resolve(output) },
        platform: platformFlag(args),
        hostPlatform: hostPlatform(),
      },
      context.signal,
    );
  });
  if (isStream) return 0;
  for (const [place, result] of results.entries()) {
    if (isOn(args, "json")) await context.print(resultJson(result, { image: args.positionals[place], output }));
    else if (!isOn(args, "quiet")) await context.print(resultText(result));
  }
  return 0;
};
