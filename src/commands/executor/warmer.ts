// `tsbuild warmer`: kaniko's command line for filling a folder with base images, which jobs take from there.

import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import { hostPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import type { WarmRequest } from "../../../builder/warm.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseAssignments } from "../../cli/values/key-value.ts";
import { unpackLimits } from "../../cli/values/unpack-limits.ts";
import { WARMER_FLAGS } from "../../cli/flags/warmer-flags.ts";
import type { Environment } from "../../config/environment.ts";
import { localRegistries } from "../../config/registries.ts";
import { localSession } from "../../config/session.ts";
import { definedOnly } from "../build/request.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
import { cacheFolder, cacheMaxAgeMs } from "./cache.ts";
import { cloudHelpers, withCloudLogins } from "./cloud-login.ts";
import { tellPod } from "./files.ts";
import { openJobLog } from "./log.ts";
import { registrySettings } from "./registries.ts";

const USAGE = `Usage:  tsbuild warmer --image NAME [--image NAME...] [OPTIONS]
        tsbuild warmer --dockerfile FILE [OPTIONS]

Fills a folder with base images, with the arguments of kaniko's warmer. \`tsbuild executor --cache-dir\` takes them from
there, also where their registry cannot be reached.`;

const FAILURE = 1;

/** The command. An image that cannot be had makes it fail when the others were tried. */
export const warmer: Command = async (context) => {
  if (context.args[0] === "version") {
    const { VERSION } = await import("../../version.ts");
    await context.print(`tsbuild ${VERSION}\n`);
    return 0;
  }
  context.outcome.ownFailure = FAILURE;
  try {
    return await runWarmer(context);
  } catch (error) {
    await tellPod(asBuildError(error));
    throw error;
  }
};

async function runWarmer(context: CommandContext): Promise<number> {
  const args = await readArguments(context, WARMER_FLAGS, USAGE);
  if (args === undefined) return 0;
  const [extra] = args.positionals;
  if (extra !== undefined) throw new BuildError("USAGE", `unknown command "${extra}" for "warmer"`);
  const log = openJobLog(args, context);
  for (const note of args.notes) log.say("warn", note);
  try {
    const request = { ...(await warmRequest(context, args)), events: log.sink };
    const { warm } = await import("../../../builder/warm.ts");
    const warmed = await warm(request, context.signal);
    for (const { name, digest, wasThere } of warmed)
      log.say("info", `${wasThere ? "Found" : "Warmed"} ${name}@${digest}`);
    if (warmed.length === 0)
      log.say(
        "warn",
        `no stage of "${basename(textOf(args, "dockerfile") ?? "")}" takes an image: there is nothing to warm`,
      );
    return 0;
  } catch (error) {
    const failure = asBuildError(error);
    const isFolder = failure.hint === undefined && (failure.code === "OUTPUT" || failure.code === "STORE");
    const told = isFolder ? failure.with({ hint: "--cache-dir names the folder to fill" }) : failure;
    log.fail(told);
    context.outcome.told = true;
    throw told;
  }
}

async function warmRequest(
  { environment, signal }: CommandContext,
  args: Arguments,
): Promise<Omit<WarmRequest, "events">> {
  const images = listOf(args, "image").filter((name) => name !== "");
  const file = textOf(args, "dockerfile");
  if (images.length === 0 && !file)
    throw new BuildError(
      "USAGE",
      "the warmer needs an image: --image names one, --dockerfile a file that begins with some",
    );
  const { router, credentials } = localRegistries(environment, [], registrySettings(args, environment, []));
  const platform = textOf(args, "custom-platform");
  return {
    folder: cacheFolder(args),
    images,
    ...(file
      ? {
          dockerfile: {
            bytes: await readDockerfile(file, environment, signal),
            name: basename(file),
            buildArgs: parseAssignments(listOf(args, "build-arg"), "--build-arg", environment),
          },
        }
      : {}),
    platform: platform ? parsePlatform(platform, hostPlatform()) : hostPlatform(),
    force: isOn(args, "force"),
    maxAgeMs: cacheMaxAgeMs(args),
    access: {
      router,
      session: withCloudLogins(
        await localSession({ secrets: [], ssh: [], environment, credentials }),
        environment,
        cloudHelpers(args),
        signal,
      ),
      environment: definedOnly(environment),
    },
    limits: unpackLimits(args),
    checkLayers: undefined,
    retries: 0,
    now: Date.now,
    environment: definedOnly(environment),
  };
}

async function readDockerfile(file: string, environment: Environment, signal: AbortSignal): Promise<Uint8Array> {
  if (/^https?:\/\//.test(file) && URL.canParse(file)) {
    const { fetchFile } = await import("../../../builder/fetch-file.ts");
    return await fetchFile(new URL(file), definedOnly(environment), signal);
  }
  return await readFile(resolve(file)).catch((error: unknown) => {
    throw new BuildError("INPUT_MISSING", `--dockerfile: there is no file "${file}"`, { cause: error });
  });
}
