// `tsbuild inspect`: what an image says of itself, and its ids.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Inspection } from "../../../builder/inspect.ts";
import { fieldAt, fieldText } from "../../cli/values/field-path.ts";
import type { Arguments, Flag } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import { parseValueTemplate } from "../../cli/go-template.ts";
import { IMAGE_FLAGS, IMAGE_NAMES } from "../../cli/flags/image-flags.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
import { atLeastOne, platformArgument, withImage, withPlatformImage } from "./image-arguments.ts";
import { identitiesText, identitiesToJson, isVerified } from "./inspect-ids.ts";
import { inspectionToJson } from "./inspect-json.ts";
import { inspectionText } from "./inspect-text.ts";

// prettier-ignore
export const INSPECT_FLAGS: readonly Flag[] = [
  { name: "json", kind: "boolean", state: "works", help: "As JSON, in the form of docker inspect" },
  { name: "raw", kind: "boolean", state: "works", help: "The bytes of the manifest or index, as they are; with --config, of the config" },
  { name: "config", kind: "boolean", state: "works", help: "The config only, as JSON" },
  { name: "ids", kind: "boolean", state: "works", help: "All ids with their rules and sizes, each verified by reading and hashing everything" },
  { name: "field", short: "f", kind: "string", value: "PATH", state: "works", help: "One value of the JSON: Config.Env[0], Config.Labels[\"a.b\"]; -f with {{ }} in it is --format" },
  { name: "format", kind: "string", value: "TEMPLATE", state: "works", help: "json, or a template of the JSON's fields: {{.Id}}, {{json .Config.Env}}, {{index .RepoTags 0}}" },
  { name: "size", short: "s", kind: "boolean", state: "ignored", help: "Show sizes (always so)" },
  { name: "type", kind: "string", state: "later", help: "What to look for", harmless: /^image$/, note: "there are images only" },
  ...IMAGE_FLAGS,
];

const USAGE = `Usage:  tsbuild inspect [OPTIONS] IMAGE [IMAGE...]

Shows an image's config, manifest and index.

${IMAGE_NAMES}`;

/** The exit code is 65 when --ids finds an id that does not hold. */
export const inspect: Command = async (context) => {
  const args = await readArguments(context, INSPECT_FLAGS, USAGE);
  if (args === undefined) return 0;
  const names = atLeastOne(args, "inspect", "IMAGE");
  const forms = ["raw", "config"].some((flag) => isOn(args, flag));
  const chosen = [isOn(args, "ids"), forms, ...["field", "format"].map((flag) => textOf(args, flag) !== undefined)];
  if (chosen.filter(Boolean).length > 1)
    throw new BuildError("USAGE", "--ids, --field, --format, and --raw or --config exclude each other");
  if (isOn(args, "ids")) return await printIds(context, args, names);
  if (forms) return await printDocument(context, args, names);
  return await printInspections(context, args, names);
};

async function printInspections(context: CommandContext, args: Arguments, names: readonly string[]): Promise<number> {
  const look = lookOf(args);
  const found: unknown[] = [];
  for (const [at, name] of names.entries()) {
    await withInspection(context, args, name, async (inspection) => {
      const json = inspectionToJson(inspection);
      if (look === "json") found.push(json);
      else if (look === "text") await context.print(`${at === 0 ? "" : "\n"}${inspectionText(inspection, Date.now())}`);
      else await context.print(`${look(json)}\n`);
    });
  }
  if (look === "json") await context.print(`${JSON.stringify(found, undefined, 2)}\n`);
  return 0;
}

/** For people, as JSON, or one line of what flags ask for. */
function lookOf(args: Arguments): "text" | "json" | ((json: unknown) => string) {
  const [field, format] = [textOf(args, "field"), textOf(args, "format")];
  const template = field?.includes("{{") === true ? field : format;
  if (template === "json") return "json";
  if (template) return parseValueTemplate(template);
  if (field !== undefined) return (json) => fieldText(fieldAt(json, field));
  return isOn(args, "json") ? "json" : "text";
}

/** `--raw`, `--config`, or both. */
async function printDocument(context: CommandContext, args: Arguments, names: readonly string[]): Promise<number> {
  const [name, ...more] = names;
  if (name === undefined || more.length > 0) throw new BuildError("USAGE", "--raw and --config take one image");
  if (!isOn(args, "config")) {
    await withImage(context, args, name, async (opened) => {
      if (platformArgument(args) === undefined) return await context.print(opened.top.bytes);
      const { imageFor } = await import("../../../builder/open-image.ts");
      await context.print((await imageFor(opened, platformArgument(args), context.signal)).manifest.bytes);
    });
    return 0;
  }
  await withPlatformImage(context, args, name, async ({ config, opened, manifest }) => {
    if (config === undefined) {
      const type = manifest.manifest.config.mediaType;
      throw new BuildError("UNSUPPORTED", `${opened.name} is no container image: its config is "${type}"`);
    }
    if (isOn(args, "raw")) return await context.print(config.bytes);
    const json: unknown = JSON.parse(Buffer.from(config.bytes).toString("utf8"));
    await context.print(`${JSON.stringify(json, undefined, 2)}\n`);
  });
  return 0;
}

async function printIds(context: CommandContext, args: Arguments, names: readonly string[]): Promise<number> {
  const { identifyImage } = await import("../../../builder/identify.ts");
  let holds = true;
  const found: unknown[] = [];
  for (const [at, name] of names.entries()) {
    await withPlatformImage(context, args, name, async (image) => {
      const identities = await identifyImage(image, context.signal);
      holds &&= isVerified(identities);
      if (isOn(args, "json")) found.push(identitiesToJson(name, identities));
      else await context.print(`${at === 0 ? "" : "\n"}${identitiesText(name, identities)}`);
    });
  }
  if (isOn(args, "json")) await context.print(`${JSON.stringify(found, undefined, 2)}\n`);
  return holds ? 0 : DOES_NOT_HOLD;
}

/** An image that is not what it says: as sysexits' EX_DATAERR. */
const DOES_NOT_HOLD = 65;

async function withInspection(
  context: CommandContext,
  args: Arguments,
  name: string,
  use: (inspection: Inspection) => Promise<void>,
): Promise<void> {
  const { inspectImage } = await import("../../../builder/inspect.ts");
  await withImage(context, args, name, async (opened) =>
    use(await inspectImage(opened, platformArgument(args), context.signal)),
  );
}
