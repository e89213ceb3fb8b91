// `tsbuild executor push`: an image that an earlier job wrote to a file or a folder, or built and could not push, with the
// flags of a job.

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import type { ImageLocation } from "../../../builder/core/image/image-location.ts";
import { hostPlatform } from "../../../builder/core/image/platform.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import type { CopyToAllRequest } from "../../../builder/copy.ts";
import { EXECUTOR_PUSH_FLAGS } from "../../cli/flags/executor-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { unpackLimits } from "../../cli/values/unpack-limits.ts";
import { localRegistries } from "../../config/registries.ts";
import { localSession } from "../../config/session.ts";
import { definedOnly } from "../build/request.ts";
import type { CommandContext } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { cloudHelpers, withCloudLogins } from "./cloud-login.ts";
import { writeResultFiles } from "./files.ts";
import { rootOfJob, withOwnLogins } from "./kaniko-dir.ts";
import { openJobLog } from "./log.ts";
import { destinationOf } from "./outputs.ts";
import { registrySettings } from "./registries.ts";

const USAGE = `Usage:  tsbuild executor push PATH --destination NAME [OPTIONS]
        tsbuild executor push --resume NAME... [OPTIONS]

Pushes an image that --tar-path (a file) or --oci-layout-path (a folder) wrote; with --resume, what a job built for the
names and could not push: what a registry has of it by now is not sent again.`;

/** Pushes to every destination, whatever one of them says. Throws `PUSH` with what failed. */
export async function executorPush(context: CommandContext): Promise<number> {
  const args = await readArguments(context, EXECUTOR_PUSH_FLAGS, USAGE);
  if (args === undefined) return 0;
  const environment = withOwnLogins(args, context.environment);
  const log = openJobLog(args, context);
  for (const note of args.notes) log.say("warn", note);
  try {
    const copies = isOn(args, "resume") ? keptCopies(args) : copiesOf(args);
    const destinations = copies.map(({ destination }) => formatReference(destination));
    const request = {
      ...(await pushRequest({ ...context, environment }, args, destinations)),
      copies,
      events: log.sink,
    };
    if (!isOn(args, "skip-push-permission-check")) {
      const { checkPush } = await import("../../../builder/registry.ts");
      await checkPush(request.destinationAccess, destinations, context.signal);
    }
    const { copyToAll } = await import("../../../builder/copy.ts");
    const [digest, ...others] = new Set((await copyToAll(request, context.signal)).map(({ top }) => top.digest));
    if (digest === undefined) return 0;
    if (others.length > 0) throw new BuildError("USAGE", "these names have several images: push each by itself");
    await writeResultFiles(args, environment, destinations, digest, context.signal);
    for (const name of destinations) log.say("info", `Pushed ${name}@${digest}`);
    return 0;
  } catch (error) {
    const failure = asBuildError(error);
    log.fail(failure);
    context.outcome.told = true;
    throw failure;
  }
}

type Copies = CopyToAllRequest["copies"];

/** An image of a file or a folder, to each destination. Throws `USAGE`, `INPUT_MISSING`. */
function copiesOf(args: Arguments): Copies {
  const [path = ""] = exactly(args, 1, "executor push", "PATH");
  const destinations = [...new Set(listOf(args, "destination").map(destinationOf))];
  if (destinations.length === 0) throw new BuildError("USAGE", "executor push needs a --destination for the image");
  const source = locationOf(path);
  return destinations.map((name) => ({ source, destination: parseReference(name) }));
}

/** What the store has under each name. Throws `USAGE`. */
function keptCopies(args: Arguments): Copies {
  const names = [...new Set([...args.positionals, ...listOf(args, "destination")].map(destinationOf))];
  if (names.length === 0)
    throw new BuildError("USAGE", "executor push --resume needs the names that the job was to push");
  return names.map((image) => ({ source: { transport: "store", image }, destination: parseReference(image) }));
}

/** A folder is a layout, a file an archive for docker; both as jobs write them. */
function locationOf(text: string): ImageLocation {
  const path = resolve(text);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new BuildError("INPUT_MISSING", `there is no image at "${path}"`);
  return { transport: found.isDirectory() ? "oci" : "docker-archive", path };
}

async function pushRequest(
  { environment, globals, signal }: CommandContext,
  args: Arguments,
  destinations: readonly string[],
): Promise<Omit<CopyToAllRequest, "copies" | "events">> {
  const { router, credentials } = localRegistries(environment, [], registrySettings(args, environment, destinations));
  const session = await localSession({ secrets: [], ssh: [], environment, credentials });
  const access = {
    router,
    session: withCloudLogins(session, environment, cloudHelpers(args), signal),
    environment: definedOnly(environment),
    registryRetries: parseCount(textOf(args, "push-retry") || "0", "--push-retry", 0),
  };
  return {
    root: rootOfJob({ environment, globals }, args),
    keepImmutableTags: isOn(args, "push-ignore-immutable-tag-errors"),
    sourceAccess: access,
    destinationAccess: access,
    which: "all",
    platform: hostPlatform(),
    family: undefined,
    compression: undefined,
    preserveDigests: false,
    limits: unpackLimits(args),
    checkLayers: undefined,
    retries: 0,
    now: Date.now,
    environment: definedOnly(environment),
  };
}
