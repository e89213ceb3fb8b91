// The part of a request that the conversion of a Dockerfile looks at.

import type { Platform } from "../core/image/platform.ts";
import type { ConvertOptions } from "../dockerfile/convert/plan.ts";
import type { BuildRequest } from "../request.ts";
import { isMultiPlatform } from "./multi-platform.ts";

/** The conversion's options for one of the request's platforms. */
export function convertOptions(request: BuildRequest, platform: Platform): ConvertOptions {
  return {
    target: request.target,
    targetPlatform: platform,
    implicitPlatform: request.platforms.length === 0,
    buildPlatform: request.hostPlatform,
    multiPlatform: isMultiPlatform(request),
    buildArgs: request.buildArgs,
    labels: request.labels,
    noCache: request.noCache,
    noCacheForRuns: request.cacheRules?.runs === false,
    network: request.network,
    hostname: request.buildArgs.get("BUILDKIT_SANDBOX_HOSTNAME"),
    extraHosts: request.extraHosts,
    ulimits: request.ulimits,
    shmSizeBytes: request.shmSizeBytes,
    cgroupParent: request.cgroupParent,
    leaveOut: request.leaveOut,
    allow: request.allow,
    epochSeconds: request.epochSeconds,
    reproducible: request.reproducible,
    check: checkOf(request),
  };
}

/** What the request says about lint rules; undefined: the Dockerfile's own word counts. */
export function checkOf({ check, buildArgs }: BuildRequest): string | undefined {
  return check ?? buildArgs.get("BUILDKIT_DOCKERFILE_CHECK");
}
