// Whether a build is one of several platforms, as BuildKit's frontend decides it (frontend/dockerui).

import { BuildError } from "../core/errors.ts";
import { parseBool } from "../dockerfile/convert/config/go-text.ts";
import type { BuildRequest } from "../request.ts";

/**
 * Whether the result is told by platform: images in an index, files in a folder each. Several platforms are asked for, or
 * BUILDKIT_MULTI_PLATFORM says so, also of one. Throws `USAGE` where that forbids them.
 */
export function isMultiPlatform({ platforms, buildArgs }: BuildRequest): boolean {
  const said = buildArgs.get("BUILDKIT_MULTI_PLATFORM") ?? "";
  if (said === "") return platforms.length > 1;
  const wanted = parseBool(said);
  if (wanted === undefined) throw new BuildError("USAGE", `BUILDKIT_MULTI_PLATFORM is true or false, not "${said}"`);
  if (wanted || platforms.length < 2) return wanted;
  throw new BuildError(
    "USAGE",
    `BUILDKIT_MULTI_PLATFORM=${said} allows one platform, ${platforms.length} are asked for`,
  );
}
