// `tsbuild bundle`: an image as a bundle for runc, crun and their kin.

import { resolve } from "node:path";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import type { IdRange } from "../../../builder/bundle-request.ts";
import { NamespaceNeeded } from "../../../builder/core/system/namespace.ts";
import { BUNDLE_FLAGS } from "../../cli/flags/bundle-flags.ts";
import { excerpt } from "../../cli/error-text.ts";
import type { Arguments } from "../../cli/flags.ts";
import { IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import { parseIdRange } from "../../cli/values/id-map-spec.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { coloursAsked, openDisplay } from "../../progress/display.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { imageRequest, pullPolicy } from "../images/image-request.ts";

const USAGE = `Usage:  tsbuild bundle [OPTIONS] IMAGE DIR

Writes an OCI runtime bundle: DIR/rootfs and DIR/config.json, for runc run, crun run and their kin.
${IMAGE_NAMES}
A name that is not in the local store is pulled.`;

/** The command. */
export const bundle: Command = async (context) => {
  const { environment, outcome } = context;
  const args = await readArguments(context, BUNDLE_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [image = "", directory = ""] = exactly(args, 2, "bundle", "IMAGE and DIR");
  if (directory === "") throw new BuildError("USAGE", "the folder for the bundle has no name");
  const maps = idMaps(args);
  const quiet = isOn(args, "quiet");
  const display = await openDisplay({
    mode: quiet ? "none" : "auto",
    stream: process.stderr,
    colours: coloursAsked(environment),
    debug: outcome.debug,
    now: Date.now,
    excerpt,
  });
  try {
    const { bundleImage } = await import("../../../builder/bundle.ts");
    const rootless = textOf(args, "rootless");
    const result = await bundleImage(
      {
        ...(await imageRequest(context, args, image, pullPolicy(textOf(args, "pull")), display.sink)),
        directory: resolve(directory),
        rootless: rootless === undefined ? undefined : rootless === "true",
        ...maps,
        terminal: isOn(args, "tty"),
      },
      context.signal,
    );
    display.close();
    if (!quiet) await context.print(`image id ${result.imageId}\nbundle   ${resolve(directory)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof NamespaceNeeded)) display.close(asBuildError(error));
    throw error;
  }
};

function idMaps(args: Arguments): { uidMap: readonly IdRange[] | undefined; gidMap: readonly IdRange[] | undefined } {
  const uids = listOf(args, "uid-map").map((text) => parseIdRange(text, "--uid-map"));
  const gids = listOf(args, "gid-map").map((text) => parseIdRange(text, "--gid-map"));
  if ((uids.length === 0) !== (gids.length === 0))
    throw new BuildError("USAGE", "--uid-map and --gid-map go together: give both");
  for (const [flag, map] of [
    ["--uid-map", uids],
    ["--gid-map", gids],
  ] as const) {
    if (map.length > 0 && !map.some(({ containerId }) => containerId === 0))
      throw new BuildError("USAGE", `${flag}: the id 0 of the bundle must be mapped`);
  }
  return uids.length === 0 ? { uidMap: undefined, gidMap: undefined } : { uidMap: uids, gidMap: gids };
}
