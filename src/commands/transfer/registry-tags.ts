// `tsbuild tags` and `tsbuild rm`: what a registry has under a name, and less of it.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ImageLocation } from "../../../builder/core/image/image-location.ts";
import { formatLocation, locationInName } from "../../../builder/core/image/image-location.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { RM_FLAGS, TAGS_FLAGS } from "../../cli/flags/transfer-flags.ts";
import { DEFAULT_LIMITS } from "../../cli/values/unpack-limits.ts";
import { definedOnly } from "../build/request.ts";
import type { Command, CommandContext } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { lookAccess } from "./side-access.ts";

const TAGS_USAGE = `Usage:  tsbuild tags [OPTIONS] REPOSITORY | ARCHIVE

Lists the tags of a repository of a registry, or the names of the images in an archive (docker-archive:FILE,
oci-archive:FILE).`;

/** `tsbuild tags REPOSITORY`. */
export const tags: Command = async (context) => {
  const args = await readArguments(context, TAGS_FLAGS, TAGS_USAGE);
  if (args === undefined) return 0;
  const [text = ""] = exactly(args, 1, "tags", "REPOSITORY");
  const place = locationInName(text);
  if (place !== undefined && place.transport !== "docker") return await listArchive(context, args, place);
  const { registry, repository } = place?.reference ?? parseReference(text);
  const access = await lookAccess(context, args, [registry]);
  const { listTags } = await import("../../../builder/registry.ts");
  const name = `${registry}/${repository}`;
  const found = await listTags(access, name, context.signal);
  if (isOn(args, "json")) await context.print(`${JSON.stringify({ Repository: name, Tags: found })}\n`);
  else await context.print(found.map((tag) => `${tag}\n`).join(""));
  return 0;
};

/** As skopeo list-tags has it for archives. */
async function listArchive(
  { environment, print }: CommandContext,
  args: Arguments,
  place: ImageLocation,
): Promise<number> {
  if (place.transport !== "docker-archive" && place.transport !== "oci-archive")
    throw new BuildError("USAGE", `"${formatLocation(place)}" is neither a repository of a registry nor an archive`);
  const { archivedNames } = await import("../../../builder/load.ts");
  const names = await archivedNames(place.path, { limits: DEFAULT_LIMITS, environment: definedOnly(environment) });
  if (isOn(args, "json")) await print(`${JSON.stringify({ Tags: names })}\n`);
  else await print(names.map((name) => `${name}\n`).join(""));
  return 0;
}

const RM_USAGE = `Usage:  tsbuild rm [OPTIONS] docker://NAME[:TAG|@DIGEST]...

Deletes images of registries: the manifest, and with it all of its tags. With --tag-only one tag goes, where the registry
can do that.`;

/** `tsbuild rm docker://NAME…`. */
export const rm: Command = async (context) => {
  const args = await readArguments(context, RM_FLAGS, RM_USAGE);
  if (args === undefined) return 0;
  if (args.positionals.length === 0)
    throw new BuildError("USAGE", '"tsbuild rm" requires at least 1 argument (docker://NAME)', {
      hint: "See 'tsbuild rm --help'.",
    });
  const names = args.positionals.map((text) => {
    // What is deleted elsewhere is gone for everybody: it is named as such.
    const place = locationInName(text);
    if (place?.transport === "docker") return place.reference;
    const how = place === undefined ? `an image of a registry is written docker://${text}` : "it is in no registry";
    throw new BuildError("USAGE", `"${text}": ${how}`, { hint: "tsbuild rmi takes images out of the local store" });
  });
  const { deleteManifest, deleteTag } = await import("../../../builder/registry.ts");
  for (const reference of names) {
    const access = await lookAccess(context, args, [reference.registry]);
    const name = formatReference(reference);
    if (isOn(args, "tag-only")) {
      await deleteTag(access, name, context.signal);
      await context.print(`Untagged: ${name}\n`);
    } else {
      await context.print(`Deleted: ${await deleteManifest(access, name, context.signal)} (${name})\n`);
    }
  }
  return 0;
};
