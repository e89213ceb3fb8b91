// `tsbuild tags` and `tsbuild rm`: what a registry has under a name, and less of it.

import { BuildError } from "../../builder/core/errors.ts";
import { formatReference, parseReference } from "../../builder/core/reference.ts";
import { isOn } from "../cli/flags.ts";
import { RM_FLAGS, TAGS_FLAGS } from "../cli/transfer-flags.ts";
import type { Command } from "./command.ts";
import { exactly, readArguments } from "./command.ts";
import { lookAccess } from "./side-access.ts";

const TAGS_USAGE = `Usage:  tsbuild tags [OPTIONS] REPOSITORY

Lists the tags of a repository of a registry.`;

/** `tsbuild tags REPOSITORY`. */
export const tags: Command = async (context) => {
  const args = await readArguments(context, TAGS_FLAGS, TAGS_USAGE);
  if (args === undefined) return 0;
  const [text = ""] = exactly(args, 1, "tags", "REPOSITORY");
  const { registry, repository } = parseReference(text.replace(/^docker:\/\//, ""));
  const access = await lookAccess(context, args, [registry]);
  const { listTags } = await import("../../builder/registry.ts");
  const name = `${registry}/${repository}`;
  const found = await listTags(access, name, context.signal);
  if (isOn(args, "json")) await context.print(`${JSON.stringify({ Repository: name, Tags: found })}\n`);
  else await context.print(found.map((tag) => `${tag}\n`).join(""));
  return 0;
};

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
    if (!text.startsWith("docker://")) {
      throw new BuildError("USAGE", `"${text}": an image of a registry is written docker://${text}`, {
        hint: "tsbuild rmi takes images out of the local store",
      });
    }
    return parseReference(text.slice("docker://".length));
  });
  const { deleteManifest, deleteTag } = await import("../../builder/registry.ts");
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
