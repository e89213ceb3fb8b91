// `tsbuild push`: images of the local store to registries.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Reference } from "../../../builder/core/image/reference.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import type { PushRequest, PushResult } from "../../../builder/push.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, textOf } from "../../cli/flags.ts";
import { PUSH_FLAGS } from "../../cli/flags/transfer-flags.ts";
import { writeWhole } from "../build/result.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
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

const USAGE = `Usage:  tsbuild push [OPTIONS] NAME[:TAG]...
        tsbuild push [OPTIONS] IMAGE docker://NAME[:TAG]...

Pushes images of the local store to the registries of their names, or one image to other names. A push that was
interrupted is taken up where it stopped when it is begun again.`;

/** The command. */
export const push: Command = async (context) => {
  const args = await readArguments(context, PUSH_FLAGS, USAGE);
  if (args === undefined) return 0;
  const jobs = readJobs(args);
  const wishes = {
    allTags: isOn(args, "all-tags"),
    resume: textOf(args, "resume") !== "false",
    platform: platformFlag(args),
    family: familyFlag(args),
    compression: compression(args),
  };
  const results = await underDisplay(context, args, async (events) => {
    const engine = await import("../../../builder/push.ts");
    const transfer = transferRequest(context, args, events);
    const pushed: PushResult[] = [];
    for (const job of jobs) {
      const access = await sideAccess(context, args, { prefix: "", registries: job.registries });
      pushed.push(...(await engine.push({ ...transfer, ...wishes, ...job, access }, context.signal)));
    }
    return pushed;
  });
  const digestFile = textOf(args, "digestfile");
  if (digestFile) await writeWhole(digestFile, results.map(({ top }) => top.digest).join("\n"));
  for (const result of results) await tell(context, args, result);
  return 0;
};

/** Each name by itself, or one image and the names it goes to. */
function readJobs(args: Arguments): readonly {
  readonly image: string;
  readonly targets: readonly Reference[];
  readonly registries: readonly string[];
}[] {
  const [first, ...others] = args.positionals;
  if (first === undefined) {
    throw new BuildError("USAGE", '"tsbuild push" requires at least 1 argument (NAME)', {
      hint: "See 'tsbuild push --help'.",
    });
  }
  const isTarget = (text: string): boolean => text.startsWith("docker://");
  if (!others.some(isTarget)) {
    return args.positionals.map((text) => ({
      image: text.replace(/^(?:store:|docker:\/\/)/, ""),
      targets: [],
      registries: registryOf(text),
    }));
  }
  if (isOn(args, "all-tags"))
    throw new BuildError("USAGE", "--all-tags goes to the tags' own names: name no docker://");
  const wrong = others.find((text) => !isTarget(text));
  if (wrong !== undefined) throw new BuildError("USAGE", `"${wrong}": write docker://${wrong}, as for the others`);
  const targets = others.map((text) => parseReference(text.slice("docker://".length)));
  return [{ image: first.replace(/^store:/, ""), targets, registries: targets.map(({ registry }) => registry) }];
}

function registryOf(text: string): readonly string[] {
  try {
    return [parseReference(text.replace(/^(?:store:|docker:\/\/)/, "")).registry];
  } catch {
    return []; // an id; its name will tell
  }
}

function compression(args: Arguments): PushRequest["compression"] {
  const { compression: format, level } = compressionFlags(args, "compression-format", "compression-level");
  const isForced = isOn(args, "force-compression");
  if (format === undefined && !isForced && level === undefined) return undefined;
  const wanted = { compression: format ?? "gzip", ...(level === undefined ? {} : { level }) };
  return { ...wanted, applies: isForced ? "all" : format === undefined ? "uncompressed" : "others" };
}

async function tell({ print }: CommandContext, args: Arguments, result: PushResult): Promise<void> {
  const { names, partOf } = result;
  if (isOn(args, "json")) return await print(resultJson(result, { names, partOf }));
  if (isOn(args, "quiet")) return await print(names.map((name) => `${name}\n`).join(""));
  const part =
    partOf === undefined ? "" : `note     the store has one image of the index ${partOf}, which was pushed alone\n`;
  await print(part + resultText(result) + names.map((name) => `${name}\n`).join(""));
}
