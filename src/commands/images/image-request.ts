// What commands that use one image ask of the engine about it.

import { BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import { hostPlatform, parsePlatform } from "../../../builder/core/image/platform.ts";
import type { ImageRequest, PullPolicy } from "../../../builder/run-request.ts";
import type { Arguments } from "../../cli/flags.ts";
import { listOf, textOf } from "../../cli/flags.ts";
import { unpackLimits } from "../../cli/values/unpack-limits.ts";
import { localRegistries } from "../../config/registries.ts";
import { localSession } from "../../config/session.ts";
import { definedOnly } from "../build/request.ts";
import type { CommandContext } from "../command.ts";
import { rootOf } from "../command.ts";

/** The request for IMAGE, as `--platform`, `--insecure-registry` and the store's folder have it. Throws `USAGE`. */
export async function imageRequest(
  context: CommandContext,
  args: Arguments,
  image: string,
  pull: PullPolicy,
  events: EventSink,
): Promise<ImageRequest> {
  const { environment } = context;
  const platform = textOf(args, "platform") || environment["DOCKER_DEFAULT_PLATFORM"];
  const { router, credentials, expandName } = localRegistries(environment, listOf(args, "insecure-registry"));
  return {
    root: rootOf(context, args),
    image,
    platform: platform ? parsePlatform(platform) : hostPlatform(),
    pull,
    session: await localSession({ secrets: [], ssh: [], environment, credentials }),
    router,
    expandName,
    events,
    now: Date.now,
    environment: definedOnly(environment),
    limits: unpackLimits(args),
  };
}

/** `--pull`. Throws `USAGE`. */
export function pullPolicy(text: string | undefined): PullPolicy {
  if (text === undefined || text === "" || text === "missing") return "missing";
  if (text === "always" || text === "never") return text;
  throw new BuildError("USAGE", `--pull: "${text}" is none of always, missing, never`);
}
