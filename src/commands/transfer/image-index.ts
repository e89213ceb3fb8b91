// `tsbuild index create`, `add` and `inspect`: one name for the images of several platforms.

import { BuildError } from "../../../builder/core/errors.ts";
import { formatPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import type { Reference } from "../../../builder/core/image/reference.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { IndexAnnotation, IndexResult } from "../../../builder/image-index.ts";
import { parseAnnotation } from "../../cli/values/annotation-spec.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { INDEX_FLAGS, INDEX_INSPECT_FLAGS } from "../../cli/flags/index-flags.ts";
import { writeWhole } from "../build/result.ts";
import type { Command, CommandContext } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { lookAccess, sideAccess } from "./side-access.ts";
import { formatTable } from "../table.ts";
import { resultJson, transferRequest, underDisplay } from "./transfer.ts";

const USAGE = `Usage:  tsbuild index create [OPTIONS] NAME IMAGE [IMAGE...]
        tsbuild index add [OPTIONS] NAME IMAGE [IMAGE...]
        tsbuild index inspect [OPTIONS] NAME

Makes an index, one name for the images of several platforms, of images that exist: names of the local store or of
registries, places as tsbuild copy takes them, or other indexes, whose images are taken. "add" keeps what the index has;
a platform that it has already gets the new image.`;

/** The command with its three parts. */
export const index: Command = async (context) => {
  const [word, ...args] = context.args;
  switch (word) {
    case "create":
    case "add":
      return await make({ ...context, args }, word);
    case "inspect":
      return await inspect({ ...context, args });
    case undefined:
    case "--help":
    case "-h":
      await readArguments({ ...context, args: ["--help"] }, INDEX_FLAGS, USAGE);
      return 0;
    default:
      throw new BuildError("USAGE", `"tsbuild index" has no command "${word}"`, {
        hint: ELSEWHERE[word] ?? "it has create, add and inspect",
      });
  }
};

/** What docker's and podman's manifest commands are called here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  annotate: "tsbuild index create NAME NAME --annotation 'manifest-descriptor[OS/ARCH]:KEY=VALUE'",
  exists: "tsbuild index inspect NAME ends with 66 when there is none",
  push: "tsbuild push NAME pushes an index of the store; index create --push makes one in the registry",
  remove: "tsbuild index create NAME NAME --platform OS/ARCH keeps only the images that are named",
  rm: "tsbuild rmi NAME takes an index away",
};

async function make(context: CommandContext, command: "create" | "add"): Promise<number> {
  const args = await readArguments(context, INDEX_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [name, ...images] = args.positionals;
  if (name === undefined || images.length === 0) {
    throw new BuildError("USAGE", `"tsbuild index ${command}" requires at least 2 arguments (NAME IMAGE)`, {
      hint: "See 'tsbuild index --help'.",
    });
  }
  const push = isOn(args, "push");
  const names = [name, ...listOf(args, "tag")].map(newName);
  const old = push ? `docker://${name.replace(/^docker:\/\//, "")}` : `store:${name}`;
  const access = await sideAccess(context, args, { prefix: "", registries: names.map(({ registry }) => registry) });
  const wishes = {
    names,
    push,
    old: command === "add" ? old : undefined,
    sources: images,
    platforms: listOf(args, "platform").flatMap((text) => text.split(",").map((one) => parsePlatform(one))),
    annotations: listOf(args, "annotation").flatMap(annotations),
    dryRun: isOn(args, "dry-run"),
    access,
  };
  const result = await underDisplay(context, args, async (events) => {
    const engine = await import("../../../builder/image-index.ts");
    return await engine.createIndex({ ...transferRequest(context, args, events), ...wishes }, context.signal);
  });
  const digestFile = textOf(args, "digestfile");
  if (digestFile) await writeWhole(digestFile, result.index.descriptor.digest);
  await tell(context, args, names, result);
  return 0;
}

async function tell(
  { print }: CommandContext,
  args: Arguments,
  names: readonly Reference[],
  result: IndexResult,
): Promise<void> {
  const { index: made, copied } = result;
  if (copied === undefined) return await print(`${Buffer.from(made.bytes).toString("utf8")}\n`);
  const full = names.map(formatReference);
  if (isOn(args, "json")) return await print(resultJson(copied, { names: full }));
  if (isOn(args, "quiet")) return await print(`${made.descriptor.digest}\n`);
  await print(`digest   ${made.descriptor.digest}\n${full.map((one) => `${one}\n`).join("")}`);
}

async function inspect(context: CommandContext): Promise<number> {
  const args = await readArguments(context, INDEX_INSPECT_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [name = ""] = exactly(args, 1, "index inspect", "NAME");
  const access = await lookAccess(context, args, registryOf(name));
  const engine = await import("../../../builder/image-index.ts");
  const transfer = transferRequest(context, args, () => undefined);
  const found = await engine.inspectIndex(name, { ...transfer, access }, context.signal);
  const { name: place, digest, mediaType, bytes, entries } = found;
  if (isOn(args, "raw")) {
    await context.print(bytes);
  } else if (isOn(args, "json")) {
    await context.print(
      `${JSON.stringify({ name: place, digest, mediaType, annotations: found.annotations, manifests: entries })}\n`,
    );
  } else {
    const rows = entries.map(({ platform, digest: own, size, mediaType: type, annotations: notes, artifactType }) => [
      platform === undefined ? (artifactType ?? "-") : formatPlatform(platform),
      own,
      `${size}`,
      type,
      Object.entries(notes ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ]);
    const notes = Object.entries(found.annotations).map(([key, value]) => ["annotation", `${key}=${value}`]);
    await context.print(formatTable([["name", place], ["digest", digest], ["type", mediaType], ...notes]));
    await context.print(`\n${formatTable([["PLATFORM", "DIGEST", "SIZE", "TYPE", "ANNOTATIONS"], ...rows])}`);
  }
  return 0;
}

function newName(text: string): Reference {
  const reference = parseReference(text.replace(/^(?:docker:\/\/|store:)/, ""));
  if (reference.digest !== undefined)
    throw new BuildError("USAGE", `"${text}" has a digest, but the digest is what the index has`);
  return reference;
}

/** Without a type the index itself is meant; the images' own manifests stay what they are. */
function annotations(text: string): IndexAnnotation[] {
  const isTyped = /^[^=]*:[^=]*=/.test(text);
  return parseAnnotation(isTyped ? text : `index:${text}`).map(({ place, platform, key, value }) => {
    if (place === "manifest") {
      throw new BuildError("USAGE", `--annotation "${text}": that would make another image of it`, {
        hint: "annotate index or manifest-descriptor",
      });
    }
    return { place, platform, key, value };
  });
}

function registryOf(text: string): readonly string[] {
  try {
    return [parseReference(text.replace(/^docker:\/\//, "")).registry];
  } catch {
    return []; // some other place
  }
}
