// `tsbuild pull`: images of registries into the local store.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Reference } from "../../../builder/core/image/reference.ts";
import { familiarReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { RegistryAccess } from "../../../builder/registry-options.ts";
import type { PullResult } from "../../../builder/pull.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn } from "../../cli/flags.ts";
import { PULL_FLAGS } from "../../cli/flags/transfer-flags.ts";
import { localRegistries } from "../../config/registries.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
import { sideAccess } from "./side-access.ts";
import { defaultPlatform, platformFlag, resultJson, resultText, transferRequest, underDisplay } from "./transfer.ts";

const USAGE = `Usage:  tsbuild pull [OPTIONS] NAME[:TAG|@DIGEST]...

Pulls images from their registries into the local store.`;

/** The command. */
export const pull: Command = async (context) => {
  const args = await readArguments(context, PULL_FLAGS, USAGE);
  if (args === undefined) return 0;
  if (args.positionals.length === 0) {
    throw new BuildError("USAGE", '"tsbuild pull" requires at least 1 argument (NAME)', {
      hint: "See 'tsbuild pull --help'.",
    });
  }
  const references = await Promise.all(args.positionals.map((name) => imageName(context, name)));
  const platform = platformFlag(args);
  const allPlatforms = isOn(args, "all-platforms");
  if (allPlatforms && platform !== undefined)
    throw new BuildError("USAGE", "--platform and --all-platforms contradict each other");
  const results = await underDisplay(context, args, async (events) => {
    const engine = await import("../../../builder/pull.ts");
    const transfer = transferRequest(context, args, events);
    const pulled: PullResult[] = [];
    for (const named of references) {
      const access = await sideAccess(context, args, { prefix: "", registries: [named.registry] });
      const wanted = isOn(args, "all-tags") ? await allTags(context, named, access) : [named];
      for (const reference of wanted) {
        const request = {
          ...transfer,
          reference,
          access,
          platform: platform ?? defaultPlatform(context),
          allPlatforms,
        };
        pulled.push(await engine.pull(request, context.signal));
      }
    }
    return pulled;
  });
  for (const result of results) await tell(context, args, result);
  return 0;
};

/** A name as docker pull takes one, or as registries.conf has it where that is asked for; skopeo's way of writing it is taken too. */
async function imageName({ environment }: CommandContext, text: string): Promise<Reference> {
  if (text.startsWith("docker://")) return parseReference(text.slice("docker://".length));
  const { expandName } = localRegistries(environment, []);
  return parseReference((await expandName?.(text)) ?? text);
}

async function allTags(
  context: CommandContext,
  named: Reference,
  access: RegistryAccess,
): Promise<readonly Reference[]> {
  const { registry, repository } = named;
  const { listTags } = await import("../../../builder/registry.ts");
  const found = await listTags(access, `${registry}/${repository}`, context.signal);
  return found.map((tag) => ({ registry, repository, tag }));
}

async function tell({ print }: CommandContext, args: Arguments, result: PullResult): Promise<void> {
  const { name, before, top } = result;
  const short = familiarReference(parseReference(name));
  if (isOn(args, "json")) return await print(resultJson(result, { name, before }));
  if (isOn(args, "quiet")) return await print(`${name}\n`);
  const status = before === top.digest ? "image is up to date" : "pulled newer image";
  await print(`${resultText(result)}status   ${before === undefined ? "pulled" : status} for ${short}\n${name}\n`);
}
