// Who does the work of a build: this process, or the daemon that --host names.

import type { CallResult, Question } from "../../../builder/call.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { BuildRequest, BuildResult } from "../../../builder/request.ts";
import type { Arguments } from "../../cli/flags.ts";
import { textOf } from "../../cli/flags.ts";
import type { Host } from "../../client/host.ts";
import type { Environment } from "../../config/environment.ts";

/** What builds. */
export interface BuilderAt {
  build(request: BuildRequest, signal: AbortSignal): Promise<BuildResult>;
  call(request: BuildRequest, question: Question, signal: AbortSignal): Promise<CallResult>;
}

/** What a daemon is not asked for: it has no word for it in its API, or it would mean this machine. */
const LOCAL_ONLY = [
  ...["allow-secret-in-image", "dry-run", "explain", "jobs", "lock", "lock-file", "locked", "on-error", "report"],
  ...["reproducible", "require-sandbox", "snapshotter", "squash", "insecure-registry"],
];

/** The builder that the flags and TSBUILD_HOST say. Throws `USAGE`, and `UNSUPPORTED` for a flag that a daemon cannot be asked for. */
export async function builderAt(args: Arguments, environment: Environment): Promise<BuilderAt> {
  const host = await hostOf(args, environment);
  if (host === undefined) return HERE;
  const flag = LOCAL_ONLY.find((name) => textOf(args, name) !== undefined);
  if (flag !== undefined)
    throw new BuildError("UNSUPPORTED", `--${flag} cannot be asked of a daemon`, {
      hint: "build without --host (and TSBUILD_HOST) to use it",
    });
  const { remoteBuild, remoteCall } = await import("../../client/remote.ts");
  return {
    build: (request, signal) => remoteBuild(host, request, signal),
    call: (request, question, signal) => remoteCall(host, request, question, signal),
  };
}

/** The daemon that --host or TSBUILD_HOST names. Throws `USAGE`. */
export async function hostOf(args: Arguments, environment: Environment): Promise<Host | undefined> {
  if ((textOf(args, "host") ?? environment["TSBUILD_HOST"] ?? "") === "") return undefined;
  const { readHost } = await import("../../client/host.ts");
  return readHost(args, environment);
}

/** The engine is loaded when there is something for it to do. */
const HERE: BuilderAt = {
  build: async (request, signal) => await (await import("../../../builder/build.ts")).build(request, signal),
  call: async (request, question, signal) =>
    await (await import("../../../builder/call.ts")).call(request, question, signal),
};
